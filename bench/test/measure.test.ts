import { describe, expect, it } from "vitest";
import { difference, sumOf } from "../src/counters.ts";
import { flameOf, flamePage } from "../src/flame-graph.ts";
import { hotSpots } from "../src/hot-spots.ts";
import { orderOf } from "../src/measure.ts";
import { FrameCounter } from "../src/programs/stream.ts";
import { median, pairedRatio } from "../src/statistics.ts";

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

describe("FrameCounter", () => {
  it.each([64, 1024, 64 * 1024])("finds the end of frames of %i however they are cut", (frame) => {
    const stream = Buffer.alloc(3 * frame);
    stream[2 * frame] = 1;
    for (const size of [50, frame - 1, frame, frame + 1, 3 * frame]) {
      const ends: number[] = [];
      const counter = new FrameCounter(frame, (bytes) => ends.push(bytes));
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

describe("flame graph", () => {
  const node = (id: number, functionName: string, children: number[] = []) => ({
    id,
    children,
    callFrame: { functionName, url: "", lineNumber: 0 },
  });
  const profile = {
    nodes: [
      node(1, "(root)", [2, 3, 4]),
      node(2, "(idle)"),
      node(3, "serve", [5]),
      node(4, "serve", [6]),
      node(5, "read"),
      node(6, "read"),
    ],
    samples: [2, 3, 5, 6],
    timeDeltas: [9000, 1000, 2000, 3000],
  };

  it("adds up what is called from one place, and leaves idle time out", () => {
    expect(flameOf("client", profile)).toEqual({
      name: "client",
      value: 6,
      children: [{ name: "serve", value: 6, children: [{ name: "read", value: 5, children: [] }] }],
    });
  });

  it("is one page that loads nothing and that no name breaks", () => {
    const page = flamePage("http-32", [{ name: "</script><b>", value: 1, children: [] }]);
    expect(page).not.toMatch(/<script[^>]+src=|<link/);
    expect(page).toContain('{"name":"\\u003c/script>\\u003cb>"');
    expect(page).toContain("flamegraph");
  });
});

describe("counters", () => {
  it("are summed over the agent and all processes of all guests", () => {
    expect(
      sumOf({
        counters: { polls: 1 },
        guests: [
          { processes: [{ counters: { polls: 2, doorbellsSent: 3 } }, { counters: { polls: 4 } }] },
          { processes: [{ counters: { polls: "many" } }] },
        ],
      }),
    ).toEqual({ polls: 7, doorbellsSent: 3 });
  });

  it("of an agent that counts nothing are none", () => {
    expect(sumOf({ guests: [{ processes: [{}] }] })).toEqual({});
  });

  it("differ from zero where they come up later", () => {
    expect(difference({ polls: 2 }, { polls: 5, wakeups: 1 })).toEqual({ polls: 3, wakeups: 1 });
  });
});
