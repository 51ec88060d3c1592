import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { Watchdog } from "./watchdog.ts";

/** A process of the comparison that did not start, or ended before it was told to. */
export class ProcessError extends Error {
  override readonly name = "ProcessError";
  readonly processName: string;
  /** Last lines that the process wrote. */
  readonly lastLines: readonly string[];

  constructor(processName: string, what: string, lastLines: readonly string[]) {
    super(`${processName} ${what}`);
    this.processName = processName;
    this.lastLines = lastLines;
  }
}

const KEPT_LINES = 40;
/** How long a process may take to end after SIGTERM. */
const GRACE_MS = 3_000;

export interface StartOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly ipc?: boolean;
}

/** A running process, leader of a process group of its own (a Ctrl-C doesn't reach it). */
export class ManagedProcess {
  readonly name: string;
  readonly child: ChildProcess;
  /** Fulfilled when the process has ended, however it ended. */
  readonly ended: Promise<void>;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();
  #outcome: string | undefined;
  #stopping = false;

  constructor(name: string, args: readonly string[], { env, ipc = false }: StartOptions) {
    this.name = name;
    this.child = spawn(process.execPath, args, {
      env,
      detached: true,
      stdio: ipc ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => {
        this.#outcome = `could not be started: ${error.message}`;
        resolve();
      });
      // "close", not "exit": the last lines on stderr say why.
      this.child.once("close", (code, signal) => {
        this.#outcome ??=
          signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
        resolve();
      });
    });
    this.#collect(this.child.stdout);
    this.#collect(this.child.stderr);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** It ended though nobody asked it to. */
  get died(): boolean {
    return this.#outcome !== undefined && !this.#stopping;
  }

  failure(): ProcessError {
    return new ProcessError(this.name, this.#outcome ?? "does not answer", this.#lines);
  }

  /** Waits for a line that matches; rejects when the process ends or takes too long. */
  async line(pattern: RegExp, timeoutMs: number, signal: AbortSignal): Promise<RegExpExecArray> {
    const settled = new AbortController();
    let listener: ((line: string) => void) | undefined;
    const found = new Promise<RegExpExecArray>((resolve) => {
      listener = (line) => {
        const match = pattern.exec(line);
        if (match !== null) resolve(match);
      };
      this.#listeners.add(listener);
      for (const line of this.#lines) listener(line);
    });
    const timeout = delay(timeoutMs, undefined, {
      signal: AbortSignal.any([settled.signal, signal]),
    });
    try {
      return await Promise.race([
        found,
        this.ended.then(() => Promise.reject(this.failure())),
        timeout.then(() => {
          const what = `was not ready after ${timeoutMs / 1000} s`;
          throw new ProcessError(this.name, what, this.#lines);
        }),
      ]);
    } finally {
      if (listener !== undefined) this.#listeners.delete(listener);
      settled.abort();
      timeout.catch(() => {});
    }
  }

  /** SIGTERM, and SIGKILL to what is left of the group after the grace time. */
  async stop(graceMs = GRACE_MS): Promise<void> {
    this.#stopping = true;
    if (this.#outcome === undefined) {
      this.#signalGroup("SIGTERM");
      const timer = new AbortController();
      await Promise.race([
        this.ended,
        delay(graceMs, undefined, { signal: timer.signal }).catch(() => {}),
      ]);
      timer.abort();
    }
    this.#signalGroup("SIGKILL");
    await this.ended;
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: nothing of the group is left, as it should be.
    }
  }

  #collect(stream: NodeJS.ReadableStream | null): void {
    let rest = "";
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#line(line);
    });
    stream?.on("end", () => {
      if (rest !== "") this.#line(rest);
    });
  }

  #line(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    for (const listener of this.#listeners) listener(line);
  }
}

/** Every process that a comparison has started and not yet stopped. */
export class ProcessSet {
  readonly #running = new Set<ManagedProcess>();
  readonly #watchdog: Watchdog;

  /** The directory goes with the processes if this process is killed. */
  constructor(scratch: string) {
    this.#watchdog = new Watchdog(scratch);
  }

  start(name: string, args: readonly string[], options: StartOptions): ManagedProcess {
    const started = new ManagedProcess(name, args, options);
    this.#running.add(started);
    this.#guard();
    return started;
  }

  /** Stops some, the first given last to go: a tier outlives those that use it. */
  async stop(processes: readonly ManagedProcess[], graceMs?: number): Promise<void> {
    for (const one of processes.toReversed()) {
      await one.stop(graceMs);
      this.#running.delete(one);
    }
    this.#guard();
  }

  /** Stops all at once. */
  async close(graceMs?: number): Promise<void> {
    await Promise.all([...this.#running].map((one) => one.stop(graceMs)));
    this.#running.clear();
    this.#watchdog.dismiss();
  }

  #guard(): void {
    this.#watchdog.guard([...this.#running].map((one) => one.pid).filter((pid) => pid > 0));
  }
}
