import { describe, expect, it } from "vitest";
import { parseMachineTime, parseSchedstat, parseStat, processCpuMs } from "../src/compare/cpu.ts";
import { disturbance, metricRows } from "../src/compare/metrics.ts";
import { schedule } from "../src/compare/modes.ts";
import { medianOf, pairedRatio } from "../src/compare/statistics.ts";
import { formatRatio, ratioNote, resultTable, verdict } from "../src/compare/table.ts";
import { result } from "./compare-results.ts";

describe("paired ratio", () => {
  it("three pairs: geometric mean and Student's t interval on the logarithms", () => {
    // log2 ratios 0, 1, 2: mean 1, standard deviation 1, half width 4.303 / sqrt(3).
    const ratio = pairedRatio([
      [100, 100],
      [100, 200],
      [50, 200],
    ]);
    expect(ratio?.ratio).toBeCloseTo(2, 10);
    expect(ratio?.interval?.low).toBeCloseTo(2 ** (1 - 4.303 / Math.sqrt(3)), 6);
    expect(ratio?.interval?.high).toBeCloseTo(2 ** (1 + 4.303 / Math.sqrt(3)), 6);
  });

  it("equal ratios: an interval of no width", () => {
    const ratio = pairedRatio([
      [1, 1.5],
      [2, 3],
      [4, 6],
    ]);
    expect(formatRatio(ratio)).toBe("1.50 (1.50-1.50)");
  });

  it("two pairs: a ratio, no interval", () => {
    expect(
      formatRatio(
        pairedRatio([
          [1, 2],
          [1, 8],
        ]),
      ),
    ).toBe("4.00");
  });

  it("no usable pair: no ratio", () => {
    expect(pairedRatio([])).toBeUndefined();
    expect(pairedRatio([[0, 5]])).toBeUndefined();
    expect(formatRatio(undefined)).toBe("-");
  });

  it("medians", () => {
    expect(medianOf([])).toBeUndefined();
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([1, 2, 3, 10])).toBe(2.5);
  });
});

describe("schedule", () => {
  it("every other repeat goes the other way round", () => {
    const order = schedule(["native", "outsourced"], 3).map(
      ({ mode, repeat }) => `${mode[0]}${repeat}`,
    );
    expect(order).toEqual(["n1", "o1", "o2", "n2", "n3", "o3"]);
  });
});

describe("processor time", () => {
  it("reads utime and stime though the command has spaces and parentheses", () => {
    const line = `42 (node (web) x) S 1 42 42 0 -1 4194304 ${"0 ".repeat(4)}123 45 0 0 20 0 11`;
    expect(parseStat(line)).toBe((123 + 45) * 10);
  });

  it("reads schedstat in nanoseconds and /proc/stat in ticks", () => {
    expect(parseSchedstat("1500000 200 3\n")).toBe(1.5);
    expect(parseMachineTime("cpu  10 1 5 70 4 2 3 5 0 0\ncpu0 1\n")).toEqual({
      busyMs: 260,
      totalMs: 1000,
    });
  });

  it.runIf(process.platform === "linux")("of this process grows; of none is unknown", () => {
    const before = processCpuMs(process.pid) ?? Number.NaN;
    const end = process.cpuUsage().user + 30_000;
    while (process.cpuUsage().user < end);
    expect((processCpuMs(process.pid) ?? 0) - before).toBeGreaterThan(20);
    expect(processCpuMs(2 ** 30)).toBeUndefined();
  });
});

describe("table", () => {
  const results = [1, 2, 3].flatMap((repeat) => [
    result("native", repeat, 100 * repeat, 4),
    result("outsourced", repeat, 200 * repeat, 2),
  ]);

  it("medians, ratios and what they say", () => {
    const rows = new Map(metricRows(results).map((row) => [row.metric.key, row]));
    const throughput = rows.get("throughput");
    expect(throughput?.modes.get("native")?.median).toBe(20);
    expect(throughput?.modes.get("outsourced")?.median).toBe(40);
    const ratio = throughput?.ratios.get("outsourced");
    expect(formatRatio(ratio)).toBe("2.00 (2.00-2.00)");
    expect(throughput && verdict(throughput, ratio)).toBe("better");
    const cpu = rows.get("cpu-total");
    expect(cpu?.modes.get("native")?.median).toBe(6);
    expect(cpu?.modes.get("outsourced")?.median).toBe(7);
    expect(cpu && verdict(cpu, cpu.ratios.get("outsourced"))).toBe("worse");
    expect(rows.get("cpu-agent")?.modes.get("native")?.median).toBeUndefined();
    expect(rows.get("errors")?.ratios.size).toBe(0);
  });

  it("fits 24 lines and names every metric", () => {
    const text = resultTable(results, false);
    expect(text.split("\n").length).toBeLessThan(20);
    expect(text).toMatch(
      /Throughput, interactions\/s +│ +20 │ +40 │ +2\.00 \(2\.00-2\.00\) │ better/,
    );
    expect(text).toMatch(/CPU agent, ms\/interaction +│ +- │ +1\.000 │/);
    expect(ratioNote(results)).toBe("");
  });

  it("two repeats: says that there is no interval; one mode: no ratios", () => {
    expect(ratioNote(results.slice(0, 4))).toMatch(/No interval/);
    const native = results.filter(({ mode }) => mode === "native");
    expect(ratioNote(native)).toMatch(/No ratios/);
    expect(resultTable(native, false)).not.toContain("95 %");
  });

  it("says when other programs used the machine", () => {
    // 100 pages: 6 ms each for the tiers, 0.1 ms for the generator, of 20,000 ms: 3 %.
    expect(disturbance([result("native", 1, 100, 4, { machineBusy: 0.05 })], 2)).toEqual([]);
    expect(disturbance([result("native", 1, 100, 4, { machineBusy: 0.5305 })], 2)).toEqual([
      expect.stringContaining("up to 50 %"),
    ]);
  });
});
