/** From samples to the rows that are printed and written. */
import { cpus } from "node:os";
import Table from "cli-table3";
import type { Measured, Setup } from "./block.ts";
import type { Results, Round } from "./measure.ts";
import { median, pairedRatio } from "./statistics.ts";
import { BASELINE, type Mode, type Path, type Work } from "./works.ts";

/** Others' share of the processors from which on the table says so. */
const NOTABLE_LOAD = 0.1;

/** One work in one mode on one path, compared with the baseline. */
export interface Row {
  readonly work: string;
  /** Null for the baseline's own row, which has no guest. */
  readonly path: Path | null;
  readonly mode: Mode;
  readonly baseline: typeof BASELINE;
  /** How many times better than the baseline: throughput, or latency inverted. */
  readonly speedup: number;
  /** 95 % interval of `speedup`; null when there are too few rounds for one. */
  readonly low: number | null;
  readonly high: number | null;
  /** Median of the rounds, in `unit`. */
  readonly value: number;
  readonly unit: Work["unit"];
  /** Median processor time, us for one `cpuPer`. */
  readonly cpu: number;
  readonly cpuPer: Work["cpuPer"];
  /** Medians of the quantiles of one operation, us; null for streams. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly valueBaseline: number;
  readonly cpuBaseline: number;
  readonly p99Baseline: number | null;
  readonly rounds: number;
}

export interface Report {
  readonly node: string;
  readonly processors: number;
  /** False when it was interrupted or failed. */
  readonly complete: boolean;
  /** Mean share of the processors that other programs took meanwhile. */
  readonly otherLoad: number;
  readonly rows: readonly Row[];
}

function medianOf(
  rounds: readonly Round[],
  setup: Setup,
  value: (measured: Measured) => number | undefined,
): number | null {
  const values = rounds.map((round) => {
    const measured = round.get(setup);
    return measured === undefined ? undefined : value(measured);
  });
  const known = values.filter((one) => one !== undefined);
  return known.length === 0 ? null : median(known);
}

function rowsOf({ work, setups, rounds }: Results): Row[] {
  const [baseline] = setups;
  if (baseline === undefined || rounds.length === 0) return [];
  const value = (setup: Setup) =>
    medianOf(rounds, setup, ({ sample }) => work.value(sample)) ?? Number.NaN;
  const cpu = (setup: Setup) =>
    medianOf(rounds, setup, ({ sample, cpuUs }) => cpuUs / work.count(sample)) ?? Number.NaN;
  const p99 = (setup: Setup) => medianOf(rounds, setup, ({ sample }) => sample.p99);
  // Without guests the baseline's own values are what was asked for.
  const shown = setups.length === 1 ? setups : setups.slice(1);
  return shown.map((setup) => {
    const pairs = rounds.map((round): [number, number] => {
      const of = (one: Setup) =>
        work.value(round.get(one)?.sample ?? { operations: 0, seconds: 0 });
      return work.inverted ? [of(setup), of(baseline)] : [of(baseline), of(setup)];
    });
    const { ratio, low, high } = pairedRatio(pairs);
    return {
      work: work.name,
      path: setup.path ?? null,
      mode: setup.mode,
      baseline: BASELINE,
      speedup: ratio,
      low,
      high,
      value: value(setup),
      unit: work.unit,
      cpu: cpu(setup),
      cpuPer: work.cpuPer,
      p50: medianOf(rounds, setup, ({ sample }) => sample.p50),
      p99: p99(setup),
      valueBaseline: value(baseline),
      cpuBaseline: cpu(baseline),
      p99Baseline: p99(baseline),
      rounds: rounds.length,
    };
  });
}

function otherLoadOf(results: readonly Results[]): number {
  const loads = results
    .flatMap(({ rounds }) => rounds.flatMap((round) => [...round.values()]))
    .map(({ otherLoad }) => otherLoad);
  return loads.reduce((sum, load) => sum + load, 0) / Math.max(1, loads.length);
}

export function reportOf(results: readonly Results[], complete: boolean): Report {
  return {
    node: process.version,
    processors: cpus().length,
    complete,
    otherLoad: otherLoadOf(results),
    rows: results.flatMap(rowsOf),
  };
}

/** Three digits that count. */
function short(value: number | null): string {
  if (value === null) return "";
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function interval({ low, high }: Row): string {
  return low === null || high === null ? "" : `${low.toFixed(2)} ... ${high.toFixed(2)}`;
}

/** What the table is worth when the machine has other work. */
function remarkOf({ otherLoad, processors }: Report): string {
  if (otherLoad < NOTABLE_LOAD) return "";
  const share = `${Math.round(otherLoad * 100)} % of ${processors} processors`;
  return `\nOther programs took ${share}: repeat it on an idle machine.`;
}

export function tableOf(report: Report): string {
  const { rows } = report;
  const right = "right" as const;
  const table = new Table({
    head: [
      "work",
      "path",
      "mode",
      "native",
      "value",
      "unit",
      "speedup",
      "95 %",
      "CPU native",
      "CPU us per",
    ],
    colAligns: ["left", "left", "left", right, right, "left", right, "left", right, right],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    table.push([
      row.work,
      row.path ?? "",
      row.mode,
      short(row.valueBaseline),
      short(row.value),
      row.unit === "us" ? "us (p50)" : row.unit,
      row.speedup.toFixed(2),
      interval(row),
      short(row.cpuBaseline),
      `${short(row.cpu)} ${row.cpuPer === "MiB" ? "MiB" : "op"}`,
    ]);
  }
  return table.toString() + remarkOf(report);
}
