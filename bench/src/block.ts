/**
 * One work in all its setups. A setup is a server and a client in one mode on one path; all of a
 * block run side by side, and one at a time is given something to do.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cpuUs, machineBusyUs } from "./cpu.ts";
import { BenchProcess } from "./processes.ts";
import type { Sample } from "./programs/control.ts";
import { BASELINE, type Mode, type Path, type Work } from "./works.ts";

const require = createRequire(import.meta.url);
const OUTSOCK = require.resolve("@outsock/cli/bin/outsock.js");
/** A URL: it has no spaces. */
const PROFILER = new URL("programs/profiler.js", import.meta.url).href;
/** The name by which a guest reaches its host. */
const HOST_NAME = "host.outsock";

/** The baseline is one for both paths: two plain processes over loopback. */
export interface Setup {
  readonly mode: Mode;
  readonly path: Path | undefined;
}

export function setupName({ mode, path }: Setup): string {
  return path === undefined ? mode : `${mode} ${path}`;
}

interface Pair {
  readonly server: BenchProcess;
  readonly client: BenchProcess;
  /** All processes whose processor time counts. */
  readonly pids: readonly number[];
}

export interface Measured {
  readonly sample: Sample;
  /** Processor time of all processes of the setup, us. */
  readonly cpuUs: number;
  /** Share of the machine's processors that anything else took. */
  readonly otherLoad: number;
}

interface Boot {
  readonly work: Work;
  readonly setups: readonly Setup[];
  /** Directory for CPU profiles. */
  readonly profile: string | undefined;
  readonly signal: AbortSignal;
}

function programFile(name: string): string {
  return fileURLToPath(new URL(`programs/${name}.js`, import.meta.url));
}

export class Block {
  readonly #boot: Boot;
  readonly #directory = mkdtempSync(join(tmpdir(), "outsock-bench-"));
  readonly #programs: BenchProcess[] = [];
  readonly #pairs = new Map<Setup, Pair>();
  #agent: BenchProcess | undefined;

  constructor(boot: Boot) {
    this.#boot = boot;
  }

  async start(): Promise<void> {
    const { setups, signal } = this.#boot;
    if (setups.some(({ mode }) => mode !== BASELINE)) {
      // It ends by itself when this process is killed: its guests then end with their input.
      const args = ["agent", "--exit-when-idle", "--log-level", "error"];
      this.#agent = new BenchProcess("agent", [OUTSOCK, ...args], this.#env("agent"));
      await this.#agent.line(0, signal);
    }
    for (const setup of setups) this.#pairs.set(setup, await this.#startPair(setup));
  }

  /** One sample in one setup. */
  async measure(setup: Setup, seconds: number): Promise<Measured> {
    const pair = this.#pairs.get(setup);
    if (pair === undefined) throw new Error(`${setupName(setup)} was not started`);
    const before = { own: cpuUs(pair.pids), machine: machineBusyUs(), at: performance.now() };
    pair.client.tell({ seconds });
    const line = await pair.client.line(seconds * 1000, this.#boot.signal);
    const own = cpuUs(pair.pids) - before.own;
    const available = (performance.now() - before.at) * 1000 * cpus().length;
    const other = machineBusyUs() - before.machine - own;
    return {
      sample: JSON.parse(line) as Sample,
      cpuUs: own,
      otherLoad: Math.max(0, other / available),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    this.#agent?.signal("SIGTERM");
    await this.#agent?.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #startPair(setup: Setup): Promise<Pair> {
    const { work, signal } = this.#boot;
    const bothGuests = setup.path === "guest-guest";
    const server = bothGuests
      ? this.#start(setup, "server", [work.name, "0.0.0.0"])
      : this.#start({ ...setup, mode: BASELINE }, "server", [work.name, "127.0.0.1"], setup);
    const { port } = JSON.parse(await server.line(0, signal)) as { port: number };
    const host =
      setup.mode === BASELINE ? "127.0.0.1" : bothGuests ? guestName(setup, "server") : HOST_NAME;
    const client = this.#start(setup, "client", [work.name, host, String(port)]);
    await client.line(0, signal);
    const agent = setup.mode === BASELINE || this.#agent === undefined ? [] : [this.#agent.pid];
    return { server, client, pids: [server.pid, client.pid, ...agent] };
  }

  #start(
    setup: Setup,
    role: "server" | "client",
    args: readonly string[],
    of: Setup = setup,
  ): BenchProcess {
    const label = [of.mode, of.path, role].filter((word) => word !== undefined).join("-");
    const command =
      setup.mode === BASELINE
        ? [programFile(role)]
        : [OUTSOCK, "run", "--mode", setup.mode, "--name", guestName(of, role), programFile(role)];
    const name = `${role} of ${setupName(of)}`;
    const program = new BenchProcess(name, [...command, ...args], this.#env(label));
    this.#programs.push(program);
    return program;
  }

  #env(label: string): NodeJS.ProcessEnv {
    const { profile, work } = this.#boot;
    const env: NodeJS.ProcessEnv = { ...process.env, OUTSOCK_RUNTIME_DIR: this.#directory };
    if (profile === undefined) return env;
    return {
      ...env,
      BENCH_PROFILE: join(resolve(profile), `${work.name}-${label}.cpuprofile`),
      NODE_OPTIONS: `${env.NODE_OPTIONS ?? ""} --import=${PROFILER}`.trim(),
    };
  }
}

function guestName({ mode, path }: Setup, role: string): string {
  return `${mode}-${path}-${role}`;
}
