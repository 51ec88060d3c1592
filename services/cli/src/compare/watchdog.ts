import { type ChildProcess, spawn } from "node:child_process";

/**
 * Reads lists of process ids, one list a line, and keeps the last. When its input ends without the
 * word "bye" its parent died: it kills what is left. A shell is enough, starts in a millisecond
 * and weighs nothing beside the processes under measurement.
 */
const SCRIPT = `
pids=
while read -r line; do
  [ "$line" = bye ] && exit 0
  pids=$line
done
for pid in $pids; do kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null; done
exit 0
`;

/** Kills the given process groups if this process dies without having stopped them (SIGKILL). */
export class Watchdog {
  readonly #shell: ChildProcess;

  constructor() {
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      env: {},
    });
    // Without a shell there is no safety net; the comparison itself works.
    this.#shell.on("error", () => {});
    this.#shell.stdin?.on("error", () => {});
    this.#shell.unref();
  }

  guard(pids: readonly number[]): void {
    this.#shell.stdin?.write(`${pids.join(" ")}\n`);
  }

  dismiss(): void {
    this.#shell.stdin?.end("bye\n");
  }
}
