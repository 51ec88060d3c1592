import { measuredModes } from "../metrics.ts";
import type { Mode } from "../modes.ts";
import type { RepeatResult } from "../run.ts";
import { medianOf } from "../statistics.ts";

interface InteractionCell {
  readonly count: number;
  readonly share: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface InteractionRow {
  readonly state: string;
  /** Of all interactions, the larger of the modes' shares. */
  readonly share: number;
  readonly modes: ReadonlyMap<Mode, InteractionCell>;
}

const middle = (values: readonly number[]): number => medianOf(values) ?? 0;

/** Every interaction that was seen: counts summed, times as medians over the repeats. */
export function interactionRows(results: readonly RepeatResult[]): InteractionRow[] {
  const states = new Set(results.flatMap(({ load }) => load.states.map(({ state }) => state)));
  return [...states]
    .map((state) => {
      const modes = new Map<Mode, InteractionCell>();
      for (const mode of measuredModes(results)) {
        const runs = results.filter((result) => result.mode === mode);
        const seen = runs.flatMap(({ load }) => load.states.filter((s) => s.state === state));
        if (seen.length === 0) continue;
        const answered = seen.filter(({ count }) => count > 0);
        const count = seen.reduce((sum, s) => sum + s.count, 0);
        const all = runs.reduce((sum, { load }) => sum + load.interactions, 0);
        modes.set(mode, {
          count,
          share: all === 0 ? 0 : count / all,
          errors: seen.reduce((sum, s) => sum + s.errors, 0),
          p50Ms: middle(answered.map((s) => s.p50Ms)),
          p95Ms: middle(answered.map((s) => s.p95Ms)),
          p99Ms: middle(answered.map((s) => s.p99Ms)),
        });
      }
      const share = Math.max(...[...modes.values()].map((cell) => cell.share));
      return { state, modes, share };
    })
    .sort((a, b) => b.share - a.share);
}
