import { describe, expect, it } from "vitest";
import { hotSpots } from "../src/hot-spots.ts";
import { orderOf, setupsOf } from "../src/measure.ts";
import { FrameCounter } from "../src/programs/stream.ts";
import { reportOf, tableOf } from "../src/report.ts";
import { median, pairedRatio } from "../src/statistics.ts";
import { WORKS } from "../src/works.ts";

describe("pairedRatio", () => {
  it("of equal pairs is 1 with an interval of no width", () => {
    expect(
      pairedRatio([
        [5, 5],
        [7, 7],
        [9, 9],
      ]),
    ).toEqual({ ratio: 1, low: 1, high: 1 });
  });

  it("weighs a ratio of 2 as much as one of 1/2", () => {
    expect(
      pairedRatio([
        [1, 2],
        [2, 1],
      ]).ratio,
    ).toBeCloseTo(1);
  });

  it("has Student's interval on the logarithms", () => {
    const { ratio, low, high } = pairedRatio([
      [1, 1],
      [1, Math.E],
      [1, Math.E ** 2],
    ]);
    expect(ratio).toBeCloseTo(Math.E);
    expect(Math.log(high ?? 0) - 1).toBeCloseTo(4.303 / Math.sqrt(3));
    expect(1 - Math.log(low ?? 0)).toBeCloseTo(4.303 / Math.sqrt(3));
  });

  it("has no interval of two pairs", () => {
    expect(
      pairedRatio([
        [1, 4],
        [1, 1],
      ]),
    ).toEqual({ ratio: 2, low: null, high: null });
  });
});

describe("median", () => {
  it("is the middle one, or between the two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 9])).toBe(3);
  });
});

describe("orderOf", () => {
  it("goes there and back, then begins one further on", () => {
    expect([0, 1, 2, 3].map((round) => orderOf(["a", "b", "c"], round).join(""))).toEqual([
      "abc",
      "cba",
      "bca",
      "acb",
    ]);
  });
});

describe("reportOf", () => {
  const work = (name: string) => WORKS.find((one) => one.name === name)!;

  it("inverts latency, so that half of it is a speedup of 2", () => {
    const setups = setupsOf({ modes: ["outsourced"], paths: ["guest-guest"] });
    const [native, guest] = setups;
    const round = new Map([
      [
        native!,
        { sample: { operations: 10, seconds: 1, p50: 80, p99: 90 }, cpuUs: 500, otherLoad: 0.25 },
      ],
      [
        guest!,
        { sample: { operations: 20, seconds: 1, p50: 40, p99: 70 }, cpuUs: 600, otherLoad: 0.75 },
      ],
    ]);
    const report = reportOf([{ work: work("ping-pong"), setups, rounds: [round] }], true);
    expect(report.otherLoad).toBe(0.5);
    expect(tableOf(report)).toContain("Other programs took 50 % of ");
    const { rows } = report;
    expect(rows).toEqual([
      {
        work: "ping-pong",
        path: "guest-guest",
        mode: "outsourced",
        baseline: "native",
        speedup: 2,
        low: null,
        high: null,
        value: 40,
        unit: "us",
        cpu: 30,
        cpuPer: "operation",
        p50: 40,
        p99: 70,
        valueBaseline: 80,
        cpuBaseline: 50,
        p99Baseline: 90,
        rounds: 1,
      },
    ]);
  });

  it("counts streams in MB/s and CPU for each MiB", () => {
    const setups = setupsOf({ modes: [], paths: [] });
    const sample = { operations: 4 * 1024 * 1024, seconds: 2 };
    const round = new Map([[setups[0]!, { sample, cpuUs: 1000, otherLoad: 0 }]]);
    const { rows } = reportOf([{ work: work("stream-up"), setups, rounds: [round] }], true);
    expect(rows).toMatchObject([
      {
        mode: "native",
        path: null,
        value: 2.097152,
        unit: "MB/s",
        cpu: 250,
        speedup: 1,
        p99: null,
      },
    ]);
  });

  it("leaves out a work without a whole round", () => {
    const setups = setupsOf({ modes: [], paths: [] });
    expect(reportOf([{ work: work("connect"), setups, rounds: [] }], false)).toMatchObject({
      complete: false,
      rows: [],
    });
  });
});

describe("FrameCounter", () => {
  it("finds the end however the bytes are cut", () => {
    const frame = 64 * 1024;
    const stream = Buffer.alloc(3 * frame);
    stream[2 * frame] = 1;
    for (const size of [1000, frame - 1, frame, frame + 1, 3 * frame]) {
      const ends: number[] = [];
      const counter = new FrameCounter((bytes) => ends.push(bytes));
      for (let turn = 0; turn < 2; turn++) {
        for (let at = 0; at < stream.length; at += size)
          counter.add(stream.subarray(at, at + size));
      }
      expect(ends).toEqual([3 * frame, 3 * frame]);
    }
  });
});

describe("hotSpots", () => {
  it("adds up a function's samples, names who calls native ones, leaves idle time out", () => {
    const node = (id: number, functionName: string, url = "") => ({
      id,
      callFrame: { functionName, url, lineNumber: 9 },
    });
    const nodes = [
      node(1, "(idle)"),
      { ...node(2, "read", "file:///a/ring.js"), children: [4] },
      node(3, "(program)"),
      node(4, "close"),
    ];
    const profile = { nodes, samples: [1, 2, 3, 2, 4], timeDeltas: [1000, 200, 100, 100, 600] };
    expect(hotSpots(profile)).toEqual([
      { place: "close < read ring.js:10", share: 0.6 },
      { place: "read ring.js:10", share: 0.3 },
      { place: "(program)", share: 0.1 },
    ]);
  });
});
