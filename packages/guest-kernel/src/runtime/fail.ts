import * as fs from "node:fs";

/** Exit code when the guest cannot be started, as of `docker run`. */
const EXIT_CANNOT_START = 125;

/** As it is now: a guest's `fs` gets wrapped. */
const { writeSync } = fs;

/** Ends the process, with one sentence for the user. */
export function fail(sentence: string): never {
  writeSync(2, `outsock: ${sentence}\n`);
  process.exit(EXIT_CANNOT_START);
}
