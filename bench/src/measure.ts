/** Interleaved rounds: every round takes one sample in every setup of the work. */
import { Block, type Measured, type Setup, setupName } from "./block.ts";
import type { Plan } from "./options.ts";
import { BASELINE, type Work } from "./works.ts";

/** The samples of one round. */
export type Round = ReadonlyMap<Setup, Measured>;

export interface Results {
  readonly work: Work;
  readonly setups: readonly Setup[];
  /** Whole rounds only; grows while it is measured. */
  readonly rounds: Round[];
}

/** A warm-up takes that many times the length of a sample. */
const WARM_UP = 2;

export function setupsOf({ modes, paths }: Pick<Plan, "modes" | "paths">): readonly Setup[] {
  const guests = modes.flatMap((mode) => paths.map((path) => ({ mode, path })));
  return [{ mode: BASELINE, path: undefined }, ...guests];
}

/** There and back again, and each time begun one further on: no setup has a place of its own. */
export function orderOf<T>(setups: readonly T[], round: number): T[] {
  const shift = Math.floor(round / 2) % setups.length;
  const turned = [...setups.slice(shift), ...setups.slice(0, shift)];
  return round % 2 === 0 ? turned : turned.reverse();
}

/** Measures all that is planned, into `results`. */
export async function measure(
  plan: Plan,
  results: Results[],
  progress: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const work of plan.works) {
    const setups = setupsOf(plan);
    const block = new Block({ work, setups, profile: plan.profile, signal });
    const result: Results = { work, setups, rounds: [] };
    results.push(result);
    try {
      progress(`${work.name}: starting`);
      await block.start();
      for (const setup of setups) {
        progress(`${work.name}: warm-up, ${setupName(setup)}`);
        await block.measure(setup, plan.seconds * WARM_UP);
      }
      for (let round = 0; round < plan.rounds; round++) {
        const samples = new Map<Setup, Measured>();
        for (const setup of orderOf(setups, round)) {
          progress(`${work.name}: round ${round + 1} of ${plan.rounds}, ${setupName(setup)}`);
          samples.set(setup, await block.measure(setup, plan.seconds));
        }
        result.rounds.push(samples);
      }
    } finally {
      await block.close();
    }
  }
}
