import { expect, it } from "vitest";
import { STATE_INDEX } from "../src/core/states.ts";
import { LoadStatistics, mergedHistogram } from "../src/statistics.ts";

it("percentiles of known latencies", () => {
  const statistics = new LoadStatistics();
  for (let ms = 1; ms <= 100; ms += 1) statistics.answered(STATE_INDEX.Home, ms, 10, false);
  statistics.failed(STATE_INDEX.ViewItem, "status 500");
  statistics.sessionEnded(4);
  statistics.sessionEnded(6);
  const summary = statistics.summary(2);
  expect(summary).toMatchObject({
    interactions: 100,
    errors: 1,
    throughput: 50,
    bytes: 1000,
    sessions: 2,
    meanSessionSeconds: 5,
    errorSamples: ["ViewItem: status 500"],
  });
  expect(summary.latency.p50Ms).toBeCloseTo(50, 0);
  expect(summary.latency.p95Ms).toBeCloseTo(95, 0);
  expect(summary.latency.p99Ms).toBeCloseTo(99, 0);
  expect(summary.states.map(({ state, count, errors }) => [state, count, errors])).toEqual([
    ["Home", 100, 0],
    ["ViewItem", 0, 1],
  ]);
});

it("histograms of two runs merge", () => {
  const one = new LoadStatistics();
  const two = new LoadStatistics();
  one.answered(0, 1, 0, false);
  two.answered(0, 3, 0, false);
  const merged = mergedHistogram([one.summary(1).histogram, two.summary(1).histogram]);
  expect(merged.totalCount).toBe(2);
  expect(merged.getValueAtPercentile(100) / 3000).toBeCloseTo(1, 2);
});

it("an empty phase gives zeros, not infinities", () => {
  const summary = new LoadStatistics().summary(0);
  expect(summary.throughput).toBe(0);
  expect(summary.latency).toMatchObject({ minMs: 0, meanMs: 0, maxMs: 0, p50Ms: 0 });
});
