/** Waits for conditions of a cluster, which change in seconds. */
import { setTimeout as delay } from "node:timers/promises";

const TURN = 400;

export interface UntilOptions {
  /** Milliseconds. */
  timeout?: number;
  /** Said when the time is over. */
  state?: () => unknown;
}

/**
 * Resolves with what `look` returns once that is not undefined or false. What `look` throws counts
 * as "not yet": API servers and pods come and go.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { timeout = 120_000, state }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    let last: unknown;
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const now = state === undefined ? "" : `\n${JSON.stringify(await state(), undefined, 1)}`;
      throw new Error(`not within ${timeout / 1000} s: ${what}${now}`, { cause: last });
    }
    await delay(TURN);
  }
}
