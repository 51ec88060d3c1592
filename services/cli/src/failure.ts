/** A failure that the user can do something about: one sentence, an exit code, no stack trace. */
export class Failure extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit codes, as of shells and of `docker run`. */
export const EXIT = {
  FAILED: 1,
  USAGE: 2,
  CANNOT_START: 125,
  NOT_RUNNABLE: 126,
  NOT_FOUND: 127,
} as const;
