import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Mode } from "./modes.ts";
import type { CompareOptions, Database } from "./options.ts";
import type { ManagedProcess, ProcessSet } from "./processes.ts";

/** The tiers, in the order in which they boot. */
export const TIERS = ["db", "app", "web"] as const;
export type Tier = (typeof TIERS)[number];

/** Everything whose processor time is counted: the tiers, and the agent of outsourced guests. */
export const CONSUMERS = [...TIERS, "agent"] as const;
export type Consumer = (typeof CONSUMERS)[number];

/** The tiers of one mode, up and answering. */
export interface Deployment {
  /** Origin of the web tier. */
  readonly url: string;
  readonly pids: ReadonlyMap<Consumer, number>;
  /** From the first process started to the first page answered. */
  readonly bootMs: number;
  /** Rejects when one of the processes ends before `stop`. */
  readonly died: Promise<never>;
  stop(): Promise<void>;
}

export interface Launcher {
  boot(mode: Mode, signal: AbortSignal): Promise<Deployment>;
}

const LISTENING = /listening on (\S+):(\d+)/;
const AGENT_LISTENING = /listening on/;
/** The first start of a scale makes its data set, which takes a while. */
const BOOT_TIMEOUT_MS = 240_000;
const FIRST_PAGE_TIMEOUT_MS = 20_000;
const AGENT_TIMEOUT_MS = 20_000;

const SERVICES = fileURLToPath(new URL("../../../", import.meta.url));
const tierProgram = (tier: Tier): string => join(SERVICES, `rubis-${tier}/dist/main.js`);
const OUTSOCK_PROGRAM = join(SERVICES, "cli/bin/outsock.js");
/** Ports inside guests; each guest has ports of its own. */
const GUEST_PORTS: Readonly<Record<Tier, number>> = { db: 5432, app: 3000, web: 8080 };

/** A sentence that says what is not built, or undefined. */
export function missingProgram(): string | undefined {
  const missing = TIERS.map(tierProgram).find((path) => !existsSync(path));
  return missing && `${missing} is missing: run "npm run build" first.`;
}

/** Name of a tier's CPU profile. */
export function profileFile(tier: Tier): string {
  return `rubis-${tier}.cpuprofile`;
}

/** A tier to start: its program's arguments and the address under which the next one reaches it. */
interface TierStart {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Origin for the tier after it, known once it listens on a port. */
  reachedAt(port: number): string;
}

type DataSetting = Pick<CompareOptions, "database" | "scale">;

const DATABASE_SETTINGS: Readonly<Record<Database, Readonly<Record<string, string>>>> = {
  standard: {},
  light: { RUBIS_DB_KEEP_RESULTS: "1000" },
};

/** Boots the tiers on this machine, natively or as guests of a private agent. */
export class LocalLauncher implements Launcher {
  readonly #processes: ProcessSet;
  readonly #directory: string;
  readonly #data: DataSetting;
  readonly #profile: string | undefined;

  /** @param profile directory for the CPU profiles of native tiers */
  constructor(processes: ProcessSet, scratch: string, data: DataSetting, profile?: string) {
    this.#processes = processes;
    this.#directory = scratch;
    this.#data = data;
    this.#profile = profile;
    mkdirSync(join(this.#directory, "tmp"));
    mkdirSync(join(this.#directory, "run"), { mode: 0o700 });
  }

  async boot(mode: Mode, signal: AbortSignal): Promise<Deployment> {
    const began = performance.now();
    const started: ManagedProcess[] = [];
    try {
      if (mode === "outsourced") {
        const agent = this.#start("agent", [OUTSOCK_PROGRAM, "agent"]);
        started.push(agent);
        await agent.line(AGENT_LISTENING, AGENT_TIMEOUT_MS, signal);
      }
      const publishedPort = mode === "outsourced" ? await freePort() : undefined;
      let upstream = "";
      for (const tier of TIERS) {
        const start = this.#tierStart(mode, tier, upstream, publishedPort);
        const process = this.#start(tier, start.args, start.env);
        started.push(process);
        const match = await process.line(LISTENING, BOOT_TIMEOUT_MS, signal);
        upstream = start.reachedAt(Number(match[2]));
      }
      const died = Promise.race(
        started.map(async (process) => {
          await process.ended;
          // One that was told to stop never settles the race.
          if (!process.died) await new Promise(() => {});
          throw process.failure();
        }),
      ) as Promise<never>;
      died.catch(() => {});
      await Promise.race([answers(upstream, signal), died]);
      return {
        url: upstream,
        pids: new Map(started.map((process) => [process.name as Consumer, process.pid])),
        bootMs: performance.now() - began,
        died,
        stop: () => this.#processes.stop(started),
      };
    } catch (error) {
      await this.#processes.stop(started, 500);
      throw error;
    }
  }

  #start(
    name: Consumer,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ManagedProcess {
    return this.#processes.start(name, args, { env: { ...this.#environment(), ...env } });
  }

  /**
   * The same few variables for every mode: nothing such as NODE_OPTIONS slips in from outside.
   * Files that a tier makes for itself (the copy of the data) land in the private directory.
   */
  #environment(): Record<string, string> {
    const passed = ["PATH", "HOME", "LANG", "TZ", "XDG_CACHE_HOME", "RUBIS_CACHE", "RUBIS_NOW"];
    const env: Record<string, string> = {
      NODE_ENV: "production",
      TMPDIR: join(this.#directory, "tmp"),
      OUTSOCK_RUNTIME_DIR: join(this.#directory, "run"),
    };
    for (const name of passed) {
      const value = process.env[name];
      if (value !== undefined) env[name] = value;
    }
    return env;
  }

  #profiling(tier: Tier): string[] {
    if (this.#profile === undefined) return [];
    const place = [`--cpu-prof-dir=${this.#profile}`, `--cpu-prof-name=${profileFile(tier)}`];
    return ["--cpu-prof", ...place];
  }

  #tierStart(
    mode: Mode,
    tier: Tier,
    upstream: string,
    publishedPort: number | undefined,
  ): TierStart {
    const env: Record<string, string> = {
      db: { RUBIS_SCALE: String(this.#data.scale), ...DATABASE_SETTINGS[this.#data.database] },
      app: { DATABASE_URL: upstream },
      web: { APP_URL: upstream },
    }[tier];
    const origin = (host: string, port: number): string =>
      tier === "db" ? `postgres://rubis:rubis@${host}:${port}/rubis` : `http://${host}:${port}`;
    switch (mode) {
      case "native":
        return {
          args: [...this.#profiling(tier), tierProgram(tier)],
          env: { ...env, HOST: "127.0.0.1", PORT: "0" },
          reachedAt: (port) => origin("127.0.0.1", port),
        };
      case "outsourced": {
        const port = GUEST_PORTS[tier];
        const publish = tier === "web" ? ["--publish", `127.0.0.1:${publishedPort}:${port}`] : [];
        return {
          args: [
            OUTSOCK_PROGRAM,
            "run",
            "--mode",
            mode,
            "--name",
            tier,
            ...publish,
            tierProgram(tier),
          ],
          env: { ...env, HOST: "0.0.0.0", PORT: String(port) },
          reachedAt: () =>
            tier === "web" ? origin("127.0.0.1", publishedPort ?? 0) : origin(tier, port),
        };
      }
    }
  }
}

/** A port of the loopback interface that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** fetch says only "fetch failed"; its cause says why. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Waits until a page that goes through all three tiers is answered. */
async function answers(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + FIRST_PAGE_TIMEOUT_MS;
  let last = "";
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    try {
      const attempt = AbortSignal.any([signal, AbortSignal.timeout(5_000)]);
      const response = await fetch(`${url}/BrowseCategories`, { signal: attempt });
      const body = await response.text();
      if (response.ok) return;
      last = `status ${response.status}: ${body.slice(0, 200)}`;
    } catch (error) {
      signal.throwIfAborted();
      last = reason(error);
    }
    await delay(50, undefined, { signal });
  }
  throw new Error(`${url}/BrowseCategories is not answered: ${last}`);
}
