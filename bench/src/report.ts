/** A run with all that a reader needs to judge it. */
import { cpus, release } from "node:os";
import type { Measured } from "./block.ts";
import { type GoalResult, judge } from "./goals.ts";
import type { Results } from "./measure.ts";
import { type Row, rowsOf } from "./rows.ts";
import type { Mode, Path } from "./works.ts";

/** One sample as it was taken. */
interface RawSample extends Measured {
  readonly work: string;
  readonly mode: Mode;
  readonly path: Path | null;
  readonly flooded: boolean;
  /** From 1. */
  readonly round: number;
}

export interface Report {
  readonly node: string;
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  /** False when it was interrupted or failed. */
  readonly complete: boolean;
  /** Mean share of the processors that other programs took meanwhile. */
  readonly otherLoad: number;
  readonly rows: readonly Row[];
  readonly goals: readonly GoalResult[];
  readonly samples: readonly RawSample[];
}

function samplesOf({ work, rounds }: Results): RawSample[] {
  return rounds.flatMap((round, index) =>
    [...round].map(([{ mode, path = null, flooded = false }, measured]) => ({
      work: work.name,
      mode,
      path,
      flooded,
      round: index + 1,
      ...measured,
    })),
  );
}

export function reportOf(results: readonly Results[], complete: boolean): Report {
  const samples = results.flatMap(samplesOf);
  const loads = samples
    .filter(({ flooded, otherLoad }) => !flooded && !Number.isNaN(otherLoad))
    .map(({ otherLoad }) => otherLoad);
  const rows = results.flatMap(rowsOf);
  const processors = cpus();
  return {
    node: process.version,
    kernel: release(),
    processor: processors[0]?.model.trim() ?? "unknown",
    processors: processors.length,
    complete,
    otherLoad: loads.reduce((sum, load) => sum + load, 0) / Math.max(1, loads.length),
    rows,
    goals: judge(rows),
    samples,
  };
}
