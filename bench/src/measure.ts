/** Interleaved rounds: every round takes one sample in every setup of the work. */
import { Block, type Measured } from "./block.ts";
import type { Plan } from "./options.ts";
import { type Setup, setupName, setupsOf } from "./setups.ts";
import type { Work } from "./works.ts";

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
  const { profile, workers } = plan;
  for (const [index, work] of plan.works.entries()) {
    const place = `${work.name} (${index + 1} of ${plan.works.length})`;
    const setups = setupsOf(work, plan.modes, plan.paths);
    const block = new Block({ work, setups, profile, workers, signal });
    const result: Results = { work, setups, rounds: [] };
    results.push(result);
    try {
      progress(`${place}: starting`);
      await block.start();
      for (const setup of setups) {
        progress(`${place}: warm-up, ${setupName(setup)}`);
        await block.measure(setup, plan.seconds * WARM_UP);
      }
      for (let round = 0; round < plan.rounds; round++) {
        const samples = new Map<Setup, Measured>();
        for (const setup of orderOf(setups, round)) {
          progress(`${place}: round ${round + 1} of ${plan.rounds}, ${setupName(setup)}`);
          samples.set(setup, await block.measure(setup, plan.seconds));
        }
        result.rounds.push(samples);
      }
    } finally {
      await block.close();
    }
  }
}
