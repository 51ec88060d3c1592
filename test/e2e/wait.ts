/** Waits for conditions: no test sleeps for a time that it hopes is enough. */
import { setTimeout as delay } from "node:timers/promises";

const TURN = 10;

export interface UntilOptions {
  /** Milliseconds. */
  timeout?: number;
  /** Said when the time is over. */
  state?: () => string;
}

/** Resolves with what `look` returns once that is not undefined or false. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { timeout = 15_000, state }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeout} ms: ${what}${state ? `\n${state()}` : ""}`);
    }
    await delay(TURN);
  }
}
