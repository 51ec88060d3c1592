/** The processes of one block: agent, servers and clients. */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

const KEPT_LINES = 20;
/** How long a process may take to say its next line, beyond what it was asked to do. */
const PATIENCE_MS = 30_000;
/** How long a process may take to end by itself, and again after SIGTERM. */
const GRACE_MS = 3_000;

/** A process that did not do what it was told. */
export class ProcessError extends Error {
  override readonly name = "ProcessError";
}

/** A process in a group of its own (a Ctrl-C does not reach it) that talks in lines. */
export class BenchProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #said: string[] = [];
  readonly #complaints: string[] = [];
  #outcome: string | undefined;
  #wake = (): void => {};

  constructor(name: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.name = name;
    this.#child = spawn(process.execPath, args, { env, detached: true, stdio: "pipe" });
    this.#ended = new Promise((resolve) => {
      const end = (outcome: string): void => {
        this.#outcome ??= outcome;
        this.#wake();
        resolve();
      };
      this.#child.once("error", (error) => end(`could not be started: ${error.message}`));
      this.#child.once("close", (code, signal) =>
        end(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
      );
    });
    // EPIPE of a process that has gone: its end says more.
    this.#child.stdin?.on("error", () => {});
    readLines(this.#child.stdout, (line) => {
      this.#said.push(line);
      this.#wake();
    });
    readLines(this.#child.stderr, (line) => {
      this.#complaints.push(line);
      if (this.#complaints.length > KEPT_LINES) this.#complaints.shift();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** The next line it says. @throws ProcessError when it ends or takes too long */
  async line(expectedMs: number, signal: AbortSignal): Promise<string> {
    const deadline = performance.now() + expectedMs + PATIENCE_MS;
    for (;;) {
      signal.throwIfAborted();
      const line = this.#said.shift();
      if (line !== undefined) return line;
      if (this.#outcome !== undefined) throw this.#failure(this.#outcome);
      const left = deadline - performance.now();
      if (left <= 0) throw this.#failure("does not answer");
      await this.#change(left, signal);
    }
  }

  /** By the end of its input, then SIGTERM, then SIGKILL to what is left of its group. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    if (!(await this.#endsWithin(GRACE_MS))) {
      this.signal("SIGTERM");
      await this.#endsWithin(GRACE_MS);
    }
    this.signal("SIGKILL");
    await this.#ended;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: nothing of the group is left.
    }
  }

  #failure(what: string): ProcessError {
    return new ProcessError([`${this.name} ${what}`, ...this.#complaints].join("\n  "));
  }

  async #change(ms: number, signal: AbortSignal): Promise<void> {
    const settled = new AbortController();
    const changed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const timeout = delay(ms, undefined, { signal: AbortSignal.any([settled.signal, signal]) });
    await Promise.race([changed, timeout.catch(() => {})]);
    settled.abort();
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const settled = new AbortController();
    const timeout = delay(ms, undefined, { signal: settled.signal }).catch(() => {});
    await Promise.race([this.#ended, timeout]);
    settled.abort();
    return this.#outcome !== undefined;
  }
}

function readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
}
