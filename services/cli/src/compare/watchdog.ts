import { type ChildProcess, spawn } from "node:child_process";

/**
 * Reads lists of process ids, one list a line, and keeps the last. When its input ends without the
 * word "bye" its parent died: it kills what is left and removes the directory $1. A shell is enough, starts in a millisecond
 * and weighs nothing beside the processes under measurement.
 */
const SCRIPT = `
pids=
while read -r line; do
  [ "$line" = bye ] && exit 0
  pids=$line
done
for pid in $pids; do kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null; done
[ -n "$1" ] && rm -rf -- "$1"
exit 0
`;

/**
 * Kills the given process groups, and removes the scratch directory, if this process dies without
 * having done so (SIGKILL).
 */
export class Watchdog {
  readonly #shell: ChildProcess;

  constructor(scratch: string) {
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT, "watchdog", scratch], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      env: { PATH: "/usr/bin:/bin" },
    });
    // Without a shell there is no safety net; the comparison itself works.
    this.#shell.on("error", () => {});
    this.#shell.stdin?.on("error", () => {});
    this.#shell.unref();
  }

  guard(pids: readonly number[]): void {
    this.#shell.stdin?.write(`${pids.join(" ")}\n`);
  }

  /** Acts as if this process had died. */
  abandon(): void {
    this.#shell.stdin?.end();
  }

  dismiss(): void {
    this.#shell.stdin?.end("bye\n");
  }
}
