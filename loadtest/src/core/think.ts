import type { Random } from "./random.ts";

/** Mean and bound of the time that a user thinks between two pages. */
export const THINK_MEAN_MS = 7_000;
export const THINK_MAX_MS = 70_000;

/** Negative exponential, times a slowdown factor; factor 0 gives a closed loop without pauses. */
export function thinkMs(random: Random, slowdown: number): number {
  if (slowdown === 0) return 0;
  return Math.min(-THINK_MEAN_MS * Math.log(1 - random()), THINK_MAX_MS) * slowdown;
}

export type PhaseName = "up" | "run" | "down";

export interface Phase {
  readonly name: PhaseName;
  readonly seconds: number;
  /** Factor on think time: the clients are slower while the system is not yet, or no more, measured. */
  readonly slowdown: number;
}

/** Up-ramp, run and down-ramp, with their published slowdown factors and lengths. */
export function phases(upSeconds = 120, runSeconds = 900, downSeconds = 60): readonly Phase[] {
  return [
    { name: "up", seconds: upSeconds, slowdown: 2 },
    { name: "run", seconds: runSeconds, slowdown: 1 },
    { name: "down", seconds: downSeconds, slowdown: 3 },
  ];
}

/** The phase at a time after the start; undefined when all are over. */
export function phaseAt(all: readonly Phase[], elapsedSeconds: number): Phase | undefined {
  let end = 0;
  for (const phase of all) {
    end += phase.seconds;
    if (elapsedSeconds < end) return phase;
  }
  return undefined;
}
