/**
 * One work in all its setups. All programs of a block run side by side, and one setup at a time is
 * given something to do. Each guest setup has an agent of its own: so the agent's processor time,
 * counters and profile are the setup's.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Counters, difference, readCounters } from "./counters.ts";
import { cpuUs, machineBusyUs } from "./cpu.ts";
import { BenchProcess } from "./processes.ts";
import type { Sample } from "./programs/control.ts";
import { pairName, type Setup, setupName } from "./setups.ts";
import { BASELINE, isGuestMode, UNIX, type Work } from "./works.ts";

const require = createRequire(import.meta.url);
const OUTSOCK = require.resolve("@outsock/cli/bin/outsock.js");
/** A URL: it has no spaces. */
const PROFILER = new URL("programs/profiler.js", import.meta.url).href;
/** The name by which a guest reaches its host. */
const HOST_NAME = "host.outsock";
/** What floods: the same on every path. */
const FLOOD = ["stream-up", String(64 * 1024)] as const;
/** The flood runs so much longer than the sample, half of it before. */
const FLOOD_MARGIN_SECONDS = 0.2;

interface Pair {
  readonly server: BenchProcess;
  readonly client: BenchProcess;
}

/** The processes of one mode on one path. */
interface Group {
  readonly pair: Pair;
  readonly flood: Pair | undefined;
  readonly agent: BenchProcess | undefined;
  /** Where the agent answers; undefined without one. */
  readonly agentSocket: string | undefined;
}

export interface Measured {
  readonly sample: Sample;
  /** Processor time of client, server and agent, us; a flood's pair left out. */
  readonly cpuUs: number;
  /** What guests and agent counted meanwhile. */
  readonly counters: Counters;
  /** Share of the machine's processors that anything else took. */
  readonly otherLoad: number;
  /** What the flood moved meanwhile. */
  readonly flood?: Sample;
}

export interface Boot {
  readonly work: Work;
  readonly setups: readonly Setup[];
  /** Directory for CPU profiles. */
  readonly profile: string | undefined;
  /** Worker threads of an agent; its default when undefined. */
  readonly workers: number | undefined;
  readonly signal: AbortSignal;
}

function programFile(name: string): string {
  return fileURLToPath(new URL(`programs/${name}.js`, import.meta.url));
}

export class Block {
  readonly #boot: Boot;
  readonly #directory = mkdtempSync(join(tmpdir(), "outsock-bench-"));
  readonly #programs: BenchProcess[] = [];
  readonly #agents: BenchProcess[] = [];
  readonly #groups = new Map<string, Group>();

  constructor(boot: Boot) {
    this.#boot = boot;
  }

  async start(): Promise<void> {
    for (const setup of this.#boot.setups) {
      const name = pairName(setup);
      if (!this.#groups.has(name)) this.#groups.set(name, await this.#startGroup(setup));
    }
  }

  /** One sample in one setup. */
  async measure(setup: Setup, seconds: number): Promise<Measured> {
    const group = this.#groups.get(pairName(setup));
    if (group === undefined) throw new Error(`${setupName(setup)} was not started`);
    const { signal } = this.#boot;
    const floodMs = setup.flooded ? (seconds + FLOOD_MARGIN_SECONDS) * 1000 : 0;
    if (setup.flooded) {
      group.flood?.client.tell({ seconds: floodMs / 1000 });
      await delay((FLOOD_MARGIN_SECONDS / 2) * 1000, undefined, { signal });
    }
    const pids = pidsOf(group);
    const counted = await this.#counters(group);
    const before = { own: cpuUs(pids), machine: machineBusyUs(), at: performance.now() };
    group.pair.client.tell({ seconds });
    const line = await group.pair.client.line(seconds * 1000, signal);
    const own = cpuUs(pids) - before.own;
    const available = (performance.now() - before.at) * 1000 * cpus().length;
    const other = machineBusyUs() - before.machine - own;
    const counters = difference(counted, await this.#counters(group));
    const flood = setup.flooded ? await group.flood?.client.line(floodMs, signal) : undefined;
    return {
      sample: JSON.parse(line) as Sample,
      cpuUs: own,
      counters,
      // The flood is no disturbance.
      otherLoad: setup.flooded ? 0 : Math.max(0, other / available),
      ...(flood === undefined ? {} : { flood: JSON.parse(flood) as Sample }),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    for (const agent of this.#agents) agent.signal("SIGTERM");
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #counters({ agentSocket }: Group): Promise<Counters> {
    return agentSocket === undefined ? {} : await readCounters(agentSocket);
  }

  async #startGroup(setup: Setup): Promise<Group> {
    const { work } = this.#boot;
    const guests = isGuestMode(setup.mode);
    const agent = guests ? await this.#startAgent(setup) : undefined;
    const [name, parameter] = work.program;
    const pair = await this.#startPair(setup, "", [name, String(parameter)]);
    const flood = work.flooded ? await this.#startPair(setup, "flood-", FLOOD) : undefined;
    const agentSocket = guests ? join(this.#runtimeDirectory(setup), "agent.sock") : undefined;
    return { pair, flood, agent, agentSocket };
  }

  async #startAgent(setup: Setup): Promise<BenchProcess> {
    const { workers, signal } = this.#boot;
    mkdirSync(this.#runtimeDirectory(setup), { mode: 0o700 });
    // It ends by itself when this process is killed: its guests then end with their input.
    const args = ["agent", "--exit-when-idle", "--log-level", "error"];
    if (workers !== undefined) args.push("--workers", String(workers));
    const agent = new BenchProcess(
      `agent of ${pairName(setup)}`,
      [OUTSOCK, ...args],
      this.#env(setup, "agent"),
    );
    this.#agents.push(agent);
    await agent.line(0, signal);
    return agent;
  }

  /** @param prefix of the roles, by which two pairs of a group differ */
  async #startPair(setup: Setup, prefix: string, program: readonly string[]): Promise<Pair> {
    const { signal } = this.#boot;
    const inGuest = setup.path === "guest-guest";
    const place = inGuest
      ? "0.0.0.0"
      : setup.mode === UNIX
        ? join(this.#directory, `${prefix}server.sock`)
        : "127.0.0.1";
    const server = this.#start(setup, `${prefix}server`, inGuest, "server", [...program, place]);
    const { port } = JSON.parse(await server.line(0, signal)) as { port?: number };
    const host =
      setup.mode === UNIX
        ? place
        : setup.mode === BASELINE
          ? "127.0.0.1"
          : inGuest
            ? guestName(setup, `${prefix}server`)
            : HOST_NAME;
    const client = this.#start(setup, `${prefix}client`, isGuestMode(setup.mode), "client", [
      ...program,
      host,
      String(port ?? 0),
    ]);
    await client.line(0, signal);
    return { server, client };
  }

  #start(
    setup: Setup,
    role: string,
    inGuest: boolean,
    file: string,
    args: readonly string[],
  ): BenchProcess {
    const { mode } = setup;
    const run = [OUTSOCK, "run", "--mode", mode, "--name", guestName(setup, role)];
    const command = [...(inGuest ? run : []), programFile(file), ...args];
    const program = new BenchProcess(
      `${role} of ${pairName(setup)}`,
      command,
      this.#env(setup, role),
    );
    this.#programs.push(program);
    return program;
  }

  #runtimeDirectory(setup: Setup): string {
    return join(this.#directory, guestName(setup, "agent"));
  }

  #env(setup: Setup, role: string): NodeJS.ProcessEnv {
    const { profile, work } = this.#boot;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      OUTSOCK_RUNTIME_DIR: this.#runtimeDirectory(setup),
    };
    if (profile === undefined) return env;
    const label = pairName(setup).replace(" ", "-");
    return {
      ...env,
      BENCH_PROFILE: join(resolve(profile), `${work.name}-${label}-${role}.cpuprofile`),
      NODE_OPTIONS: `${env.NODE_OPTIONS ?? ""} --import=${PROFILER}`.trim(),
    };
  }
}

/** Processes whose processor time counts. */
function pidsOf({ pair, agent }: Group): number[] {
  const counted = [pair.client, pair.server, ...(agent === undefined ? [] : [agent])];
  return counted.map(({ pid }) => pid);
}

function guestName({ mode, path }: Setup, role: string): string {
  return `${mode}-${path}-${role}`;
}
