/** An agent's runtime directory of a test's own, and what runs in it. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { alive } from "./proc.ts";
import { TestProcess } from "./process.ts";
import { until } from "./wait.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const CLI = join(ROOT, "services/cli/bin/outsock.js");
export const BUILT = existsSync(join(ROOT, "services/cli/dist/main.js"));

/** Path of one of the unmodified programs. */
export function program(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url));
}

/** The built program of a RUBiS tier. */
export function tier(name: "web" | "app" | "db"): string {
  return join(ROOT, `services/rubis-${name}/dist/main.js`);
}

/** Why a test that needs root and `commands` cannot run; undefined when it can. */
export function whyNotRoot(...commands: string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const paths = (process.env.PATH ?? "").split(":");
  const missing = commands.find((name) => !paths.some((path) => existsSync(join(path, name))));
  return missing === undefined ? undefined : `needs ${missing}`;
}

export function hasCommand(name: string): boolean {
  return (process.env.PATH ?? "").split(":").some((path) => existsSync(join(path, name)));
}

export interface RunOptions {
  /** Options of `outsock run`, as ["--name", "web"]. */
  options?: readonly string[];
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Words before `node`, as ["unshare", "-n"]. */
  prefix?: readonly string[];
}

interface GuestRecord {
  name: string;
  address: string;
  processes: {
    process: number;
    pid: number;
    program: string;
    sockets: number;
    bytes: number;
    paths: Record<string, number>;
    counters: Record<string, number>;
  }[];
  published: { address: string; hostPort: number; guestPort: number }[];
}

export interface Status {
  pid: number;
  guests: GuestRecord[];
}

export class Sandbox {
  readonly directory = mkdtempSync(join(tmpdir(), "outsock-e2e-"));
  readonly env: NodeJS.ProcessEnv;
  private readonly processes: TestProcess[] = [];

  constructor() {
    const { NODE_OPTIONS: _options, OUTSOCK_GUEST: _guest, ...env } = process.env;
    this.env = { ...env, OUTSOCK_RUNTIME_DIR: join(this.directory, "run"), NO_COLOR: "1" };
    mkdirSync(join(this.directory, "run"), { mode: 0o700 });
  }

  get socket(): string {
    return join(this.directory, "run/agent.sock");
  }

  start(command: string, args: readonly string[], options: Omit<RunOptions, "args"> = {}) {
    const [first, ...rest] = [...(options.prefix ?? []), command, ...args];
    const process = new TestProcess(first!, rest, {
      env: { ...this.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.processes.push(process);
    return process;
  }

  /** Starts `outsock agent` and waits until it listens. */
  async agent(options: RunOptions = {}): Promise<TestProcess> {
    const words = [CLI, "agent", ...(options.args ?? [])];
    const agent = this.start(process.execPath, words, options);
    await agent.printed(/listening on/);
    return agent;
  }

  /** Starts a program as a guest; one that an agent is not there for starts it. */
  guest(path: string, options: RunOptions = {}): TestProcess {
    const words = [CLI, "run", ...(options.options ?? []), path, ...(options.args ?? [])];
    return this.start(process.execPath, words, options);
  }

  /** Starts a program with plain `node`. */
  native(path: string, options: RunOptions = {}): TestProcess {
    return this.start(process.execPath, [path, ...(options.args ?? [])], options);
  }

  /** Runs an `outsock` command to its end. */
  outsock(words: readonly string[], options: RunOptions = {}) {
    return this.start(process.execPath, [CLI, ...words], options).ended;
  }

  /** What the agent answers to `status`; undefined when none runs. */
  status(): Promise<Status | undefined> {
    return this.ask({ request: "status" }) as Promise<Status | undefined>;
  }

  ask(request: object): Promise<unknown> {
    return new Promise((resolve) => {
      let text = "";
      const socket = createConnection(this.socket, () => {
        socket.write(`${JSON.stringify(request)}\n`);
      });
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(text === "" ? undefined : JSON.parse(text)));
    });
  }

  /** Ends every process, the agent that was started by itself included, and removes the files. */
  async close(): Promise<void> {
    const status = await this.status();
    for (const process of this.processes.toReversed()) await process.close();
    if (status !== undefined && alive(status.pid)) {
      process.kill(status.pid, "SIGKILL");
      await until(`agent ${status.pid} has ended`, () => !alive(status.pid));
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A sandbox that is closed when the test is over. */
export function sandbox(): Sandbox {
  const made = new Sandbox();
  onTestFinished(() => made.close());
  return made;
}

/** A sandbox with an agent for all tests of a `describe`: for those that leave nothing behind. */
export function sandboxOfAll(): Sandbox {
  const made = new Sandbox();
  beforeAll(async () => {
    await made.agent();
  });
  afterAll(() => made.close());
  return made;
}

/** A port of the loopback interface that nobody has. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
