import { describe, expect, it } from "vitest";
import type { Measured } from "../src/block.ts";
import { judge } from "../src/goals.ts";
import type { Results } from "../src/measure.ts";
import { reportOf } from "../src/report.ts";
import type { Row } from "../src/rows.ts";
import { type Setup, setupName, setupsOf } from "../src/setups.ts";
import { markdownOf, tableOf } from "../src/table.ts";
import { DEFAULT_LADDER, MODES, PATHS, type Work, worksNamed } from "../src/works.ts";

const work = (name: string): Work => worksNamed(name, DEFAULT_LADDER)[0]!;

/** Rounds in which each setup, by name, gave the same sample. */
function results(name: string, samples: Record<string, Partial<Measured>>, rounds = 3): Results {
  const setups = setupsOf(work(name), MODES, PATHS).filter((s) => setupName(s) in samples);
  const round = new Map<Setup, Measured>(
    setups.map((setup) => [
      setup,
      {
        sample: { operations: 10, seconds: 1 },
        cpuUs: 100,
        counters: {},
        otherLoad: 0,
        ...samples[setupName(setup)],
      },
    ]),
  );
  return { work: work(name), setups, rounds: Array.from({ length: rounds }, () => round) };
}

const ping = (p50: number, p99 = p50): Partial<Measured> => ({
  sample: { operations: 10, seconds: 1, p50, p99 },
});

describe("setups", () => {
  it("are native TCP, Unix sockets and every path of every guest mode", () => {
    expect(setupsOf(work("http-32"), MODES, PATHS).map(setupName)).toEqual([
      "native",
      "native-unix",
      "outsourced guest-outside",
      "outsourced guest-guest",
    ]);
  });

  it("leave Unix sockets out where only the outside is reached", () => {
    expect(setupsOf(work("http-32"), MODES, ["guest-outside"]).map(setupName)).toEqual([
      "native",
      "outsourced guest-outside",
    ]);
  });

  it("are native ones alone when no guest is asked for", () => {
    expect(setupsOf(work("connect"), ["native-unix"], PATHS).map(setupName)).toEqual([
      "native",
      "native-unix",
    ]);
  });

  it("of the flood come twice, alone and beside it", () => {
    expect(setupsOf(work("flood"), ["outsourced"], ["guest-guest"]).map(setupName)).toEqual([
      "native",
      "native flooded",
      "outsourced guest-guest",
      "outsourced guest-guest flooded",
    ]);
  });
});

describe("report", () => {
  it("inverts latency, so that half of it is 2 times better", () => {
    const { rows, samples } = reportOf(
      [
        results("ping-pong", {
          native: { ...ping(80, 90), cpuUs: 500 },
          "native-unix": { ...ping(60), cpuUs: 400 },
          "outsourced guest-guest": {
            ...ping(40, 70),
            cpuUs: 250,
            counters: { doorbellsSent: 5, polls: 20 },
          },
        }),
      ],
      true,
    );
    expect(rows.at(-1)).toEqual({
      work: "ping-pong",
      mode: "outsourced",
      path: "guest-guest",
      flooded: false,
      value: 40,
      unit: "us",
      label: "p50",
      p50: 40,
      p99: 70,
      operation: "round trip",
      cpu: 25,
      counters: { doorbellsSent: 0.5, polls: 2 },
      ratios: [
        { to: "native", of: "value", ratio: 2, low: 2, high: 2 },
        { to: "native", of: "cpu", ratio: 2, low: 2, high: 2 },
        { to: "native-unix", of: "value", ratio: 1.5, low: 1.5, high: 1.5 },
        { to: "native-unix", of: "cpu", ratio: 1.6, low: 1.6, high: 1.6 },
      ].map(({ to, of, ...numbers }) => ({
        to,
        of,
        ...Object.fromEntries(
          Object.entries(numbers).map(([key, number]) => [key, expect.closeTo(number, 9)]),
        ),
      })),
      rounds: 3,
    });
    expect(samples).toHaveLength(9);
    expect(samples[0]).toMatchObject({ work: "ping-pong", mode: "native", path: null, round: 1 });
  });

  it("counts streams in MB/s, and CPU by the write", () => {
    const sample = { operations: 64, bytes: 4_194_304, seconds: 2 };
    const { rows } = reportOf([results("stream-up", { native: { sample, cpuUs: 640 } })], true);
    expect(rows).toMatchObject([
      { value: 2.097152, unit: "MB/s", cpu: 10, operation: "write", p99: null, ratios: [] },
    ]);
  });

  it("has no interval of two rounds, and no row of none", () => {
    const samples = { native: ping(80), "outsourced guest-guest": ping(40) };
    const two = reportOf([results("ping-pong", samples, 2)], false);
    expect(two.complete).toBe(false);
    expect(two.rows.at(-1)?.ratios[0]).toMatchObject({ ratio: expect.closeTo(2), low: null });
    expect(reportOf([results("ping-pong", samples, 0)], false).rows).toEqual([]);
  });

  it("holds a flooded setup against the same one alone", () => {
    const { rows } = reportOf(
      [
        results("flood", {
          "outsourced guest-guest": ping(10, 100),
          "outsourced guest-guest flooded": ping(10, 125),
        }),
      ],
      true,
    );
    expect(rows[0]?.ratios).toEqual([]);
    expect(rows[1]?.ratios[0]).toMatchObject({ to: "alone", ratio: expect.closeTo(0.8) });
  });

  it("goes on without the processor time that could not be read", () => {
    const lost = { ...ping(40), cpuUs: Number.NaN, otherLoad: Number.NaN };
    const { rows, otherLoad } = reportOf(
      [results("ping-pong", { native: ping(80), "outsourced guest-guest": lost })],
      true,
    );
    expect(rows[1]).toMatchObject({ cpu: null, value: 40 });
    expect(rows[1]?.ratios.map(({ of }) => of)).toEqual(["value"]);
    expect(otherLoad).toBe(0);
  });
});

describe("goals", () => {
  const row = (ratio: number, low: number | null, high: number | null): Row => ({
    work: "ping-pong",
    mode: "outsourced",
    path: "guest-guest",
    flooded: false,
    value: 1,
    unit: "us",
    label: "p50",
    p50: 1,
    p99: 1,
    operation: "round trip",
    cpu: 1,
    counters: {},
    ratios: [{ to: "native", of: "value", ratio, low, high }],
    rounds: 7,
  });
  const verdict = (one: Row) => judge([one]).find(({ measured }) => measured !== null)?.verdict;

  it("are reached when the whole interval is, missed when none of it is, else open", () => {
    expect(verdict(row(5.5, 5.1, 6))).toBe("reached");
    expect(verdict(row(4, 3, 4.9))).toBe("missed");
    expect(verdict(row(5.5, 4.9, 6))).toBe("open");
    expect(verdict(row(9, null, null))).toBe("open");
  });

  it("of works that were not measured say so", () => {
    const all = judge([row(5.5, 5.1, 6)]);
    expect(all.filter(({ verdict: said }) => said === "not measured")).toHaveLength(all.length - 1);
  });

  it("of the flood look at the flooded row", () => {
    const flood: Row = {
      ...row(0.8, 0.7, 0.9),
      work: "flood",
      flooded: true,
      ratios: [{ to: "alone", of: "value", ratio: 0.8, low: 0.7, high: 0.9 }],
    };
    expect(verdict(flood)).toBe("reached");
  });
});

describe("table", () => {
  it("shows value, ratios with intervals, counters, and which goals are reached", () => {
    const table = tableOf(
      reportOf(
        [
          results("ping-pong", {
            native: ping(80, 90),
            "native-unix": ping(60),
            "outsourced guest-guest": {
              ...ping(10),
              counters: { doorbellsSent: 5, relayBytes: 1, shortcutBytes: 3 },
            },
          }),
        ],
        true,
      ),
    );
    const cells = (line: string | undefined) => line?.split("│").map((cell) => cell.trim());
    const lines = table.split("\n");
    expect(cells(lines[1])?.slice(1, -1)).toEqual([
      "work",
      "setup",
      "value",
      "unit",
      "p99 us",
      "x TCP",
      "x Unix",
      "CPU us/op",
      "bells",
      "polls",
      "direct",
    ]);
    expect(cells(lines.find((line) => line.includes("guest-guest")))?.slice(1, -1)).toEqual([
      "",
      "guest-guest",
      "10.0",
      "us p50",
      "10.0",
      "8.00 (8.00-8.00)",
      "6.00 (6.00-6.00)",
      "10.0",
      "0.500",
      "-",
      "75 %",
    ]);
    expect(table).toMatch(/ping-pong 64 B, p50: <= 1\/5 of TCP *│ *8\.00 \(8.*5\.00 *│reached/);
    expect(table).toContain("14 more goals are of works not measured here.");
  });

  it("in Markdown has the same cells, and the machine", () => {
    const report = reportOf(
      [results("ping-pong", { native: ping(80, 90), "outsourced guest-guest": ping(10) })],
      true,
    );
    const lines = markdownOf(report).split("\n");
    expect(lines).toContain(
      "| work | setup | value | unit | p99 us | x TCP | x Unix | CPU us/op | bells | polls | direct |",
    );
    expect(lines).toContain(
      "|  | guest-guest | 10.0 | us p50 | 10.0 | 8.00 (8.00-8.00) | - | 10.0 | - | - | - |",
    );
    expect(lines).toContain(
      "| guest-guest | ping-pong 64 B, p50: <= 1/5 of TCP | 8.00 (8.00-8.00) | 5.00 | reached |",
    );
    expect(lines.at(-1)).toContain(`Node ${process.version}.`);
  });

  it("says when other programs kept the machine busy", () => {
    const busy = results("ping-pong", { native: { ...ping(80), otherLoad: 0.5 } });
    expect(tableOf(reportOf([busy], true))).toContain("Other programs took 50 % of ");
  });
});
