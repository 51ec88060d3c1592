/** From samples to the rows that are printed and written. */
import type { Measured } from "./block.ts";
import type { Results, Round } from "./measure.ts";
import { REFERENCES, type Reference, referenceOf, type Setup } from "./setups.ts";
import { median, pairedRatio, type Ratio } from "./statistics.ts";
import type { Mode, Path, Work } from "./works.ts";

/** A row held against another setup of its work, in the same rounds. */
interface RowRatio extends Ratio {
  readonly to: Reference;
  /** Of the value, or of the processor time; both are how many times better. */
  readonly of: "value" | "cpu";
}

/** One work in one setup. */
export interface Row {
  readonly work: string;
  readonly mode: Mode;
  /** Null for native setups, which have no guest. */
  readonly path: Path | null;
  /** Beside a bulk transfer of another pair. */
  readonly flooded: boolean;
  /** Median of the rounds, in `unit`. */
  readonly value: number | null;
  readonly unit: Work["unit"];
  readonly label: Work["label"];
  /** Medians of the quantiles of one operation, us; null for streams. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** What CPU time and counters are told of. */
  readonly operation: Work["operation"];
  /** Median processor time, us an operation: client, server and agent together. */
  readonly cpu: number | null;
  /** Medians of what guests and agent counted, an operation; empty where nothing counts. */
  readonly counters: Readonly<Record<string, number>>;
  readonly ratios: readonly RowRatio[];
  readonly rounds: number;
}

type Reading = (measured: Measured) => number | undefined;

function valuesOf(rounds: readonly Round[], setup: Setup, reading: Reading): number[] {
  return rounds.flatMap((round) => {
    const measured = round.get(setup);
    const value = measured === undefined ? undefined : reading(measured);
    // NaN: processor time that could not be read.
    return value === undefined || Number.isNaN(value) ? [] : [value];
  });
}

function medianOf(rounds: readonly Round[], setup: Setup, reading: Reading): number | null {
  const values = valuesOf(rounds, setup, reading);
  return values.length === 0 ? null : median(values);
}

const cpuOf: Reading = ({ sample, cpuUs }) => cpuUs / sample.operations;

/** How many times better a setup is than another, paired by rounds. */
function ratioOf(
  rounds: readonly Round[],
  setup: Setup,
  other: Setup,
  reading: Reading,
  inverted: boolean,
): Ratio | undefined {
  const pairs = rounds.flatMap((round): [number, number][] => {
    const [own, its] = [round.get(setup), round.get(other)];
    if (own === undefined || its === undefined) return [];
    const [value, reference] = [reading(own), reading(its)];
    // Zero and NaN (a counter that is too coarse, a process gone) have no ratio.
    if (!(value !== undefined && value > 0 && reference !== undefined && reference > 0)) return [];
    return [inverted ? [value, reference] : [reference, value]];
  });
  return pairs.length === 0 ? undefined : pairedRatio(pairs);
}

function ratiosOf({ work, setups, rounds }: Results, setup: Setup): RowRatio[] {
  return REFERENCES.flatMap((to) => {
    const other = referenceOf(setup, to, setups);
    if (other === undefined) return [];
    const value = ratioOf(rounds, setup, other, ({ sample }) => work.value(sample), work.inverted);
    const cpu = ratioOf(rounds, setup, other, cpuOf, true);
    return [
      ...(value === undefined ? [] : [{ to, of: "value" as const, ...value }]),
      ...(cpu === undefined ? [] : [{ to, of: "cpu" as const, ...cpu }]),
    ];
  });
}

function countersOf(rounds: readonly Round[], setup: Setup): Record<string, number> {
  const names = new Set(rounds.flatMap((round) => Object.keys(round.get(setup)?.counters ?? {})));
  const counters: Record<string, number> = {};
  for (const name of names) {
    const reading: Reading = ({ sample, counters: counted }) => {
      const count = counted[name];
      return count === undefined ? undefined : count / sample.operations;
    };
    const middle = medianOf(rounds, setup, reading);
    if (middle !== null) counters[name] = middle;
  }
  return counters;
}

export function rowsOf(results: Results): Row[] {
  const { work, setups, rounds } = results;
  if (rounds.length === 0) return [];
  return setups.map((setup) => ({
    work: work.name,
    mode: setup.mode,
    path: setup.path ?? null,
    flooded: setup.flooded === true,
    value: medianOf(rounds, setup, ({ sample }) => work.value(sample)),
    unit: work.unit,
    label: work.label,
    p50: medianOf(rounds, setup, ({ sample }) => sample.p50),
    p99: medianOf(rounds, setup, ({ sample }) => sample.p99),
    operation: work.operation,
    cpu: medianOf(rounds, setup, cpuOf),
    // A flood's doorbells are not the operation's.
    counters: setup.flooded ? {} : countersOf(rounds, setup),
    ratios: ratiosOf(results, setup),
    rounds: rounds.length,
  }));
}
