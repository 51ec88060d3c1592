import { LoadStatistics } from "@outsock/loadtest";
import type { Mode } from "../src/compare/modes.ts";
import type { RepeatResult } from "../src/compare/run.ts";

/** A result as if so many pages had been answered in the given time each, in a run of 10 s. */
export function result(
  mode: Mode,
  repeat: number,
  pages: number,
  latencyMs: number,
  overrides: Partial<RepeatResult> = {},
): RepeatResult {
  const statistics = new LoadStatistics();
  for (let page = 0; page < pages; page += 1) {
    statistics.answered(page % 2 === 0 ? 0 : 9, latencyMs, 1000, false);
  }
  return {
    mode,
    repeat,
    startedAt: "2026-01-02T03:04:05.678Z",
    bootMs: 1500,
    load: statistics.summary(10),
    cpuMs: {
      db: pages,
      app: pages * 2,
      web: pages * 3,
      ...(mode === "native" ? {} : { agent: pages }),
    },
    generatorCpuMs: pages / 10,
    machineBusy: 0.9,
    ...overrides,
  };
}
