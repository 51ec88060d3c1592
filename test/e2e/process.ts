/** A process of a test: its output, its end, and nothing of it left when the test is over. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { until } from "./wait.ts";

export interface Outcome {
  code: number | null;
  signal: ChildProcess["signalCode"];
  stdout: string;
  stderr: string;
}

export interface StartOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
}

const LINE_TIMEOUT = 30_000;
const groups = new Set<number>();
process.on("exit", () => {
  for (const group of groups) killGroup(group);
});

function killGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // ESRCH: all of it has ended.
  }
}

/** Leads a process group of its own, so that its children end with it. */
export class TestProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<Outcome>;
  stdout = "";
  stderr = "";
  outcome: Outcome | undefined;
  private readonly label: string;

  constructor(command: string, args: readonly string[], { env, cwd }: StartOptions) {
    this.label = [command, ...args].join(" ");
    this.child = spawn(command, args, { env, cwd, detached: true, stdio: "pipe" });
    if (this.child.pid !== undefined) groups.add(this.child.pid);
    this.child.stdin.on("error", () => {});
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        this.outcome = { code, signal, stdout: this.stdout, stderr: this.stderr };
        resolve(this.outcome);
      });
    });
    this.ended.catch(() => {});
  }

  /** The pid; `outsock run` becomes the program, so it is the guest's too. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Waits for a match in what the process printed. */
  async printed(pattern: RegExp, timeout = LINE_TIMEOUT): Promise<RegExpExecArray> {
    return until(
      `${pattern} from ${this.label}`,
      () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match === null && this.outcome !== undefined) {
          throw new Error(`${this.label} ended: ${JSON.stringify(this.outcome)}`);
        }
        return match ?? undefined;
      },
      { timeout, state: () => `${this.stdout}\n${this.stderr}` },
    );
  }

  /** JSON objects that the process printed, one on each line. */
  records<T>(): T[] {
    return this.stdout
      .split("\n")
      .slice(0, -1)
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as T);
  }

  /** Writes one line to its standard input. */
  say(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it, and whatever it started. */
  async close(): Promise<void> {
    if (this.pid === 0) return;
    killGroup(this.pid);
    await this.ended;
    groups.delete(this.pid);
  }
}
