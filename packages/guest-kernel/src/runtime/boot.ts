/**
 * Boots the guest kernel in this process (or worker thread) before the program runs: attaches to
 * the host agent, takes the host's network away, and puts node-compat in its place.
 *
 * Loaded by `--require`, so all of it is synchronous.
 */
import { AsyncResource } from "node:async_hooks";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { isMainThread } from "node:worker_threads";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "@outsock/abi";
import { SysError } from "@outsock/hostsys";
import type { PublishRequest } from "@outsock/vrpc";
import type { Kernel } from "../kernel/kernel.ts";
import { traced } from "../kernel/strace.ts";
import { Syscalls } from "../kernel/syscalls.ts";
import { EventLoop, type LoopHost } from "../node-compat/event-loop.ts";
import { installCompat } from "../node-compat/install.ts";
import { type Natives, takeNatives } from "../node-compat/natives.ts";
import { AttachError } from "../outsourced/attach.ts";
import type { Link } from "../outsourced/link.ts";
import { fail } from "./fail.ts";
import { makeKernel, mountOutsourced, mountPassthrough, mountUnix } from "./mount.ts";
import { takeNetworkAway } from "./seal.ts";

/** What `outsock run` tells the guest, in the variable OUTSOCK_GUEST. */
export interface GuestConfig {
  /** Path of the agent's socket. */
  agent: string;
  name?: string;
  token?: string;
  /** The program of the process whose environment this is. */
  program?: string;
  publish?: PublishRequest[];
  strace?: boolean;
  /** false keeps all connections on the relay (`--no-shortcut`). */
  shortcut?: boolean;
  /** The guest is a pod of Kubernetes: its addresses, names and host name are the pod's. */
  pod?: boolean;
  /** Container of the pod. */
  container?: string;
  /** How long a pod's process waits for an agent that is not there yet, ms; 30 s by default. */
  wait?: number;
  /** Leaves the host's network reachable: for kernels without seccomp. */
  keepHostNetwork?: boolean;
  /**
   * "passthrough": the guest kernel over the host's own sockets, without an agent and without
   * seccomp; measures the guest kernel alone. No mode of comparison, so no option of `outsock run`.
   */
  family?: "outsourced" | "passthrough";
}

/** The agent of a pod may be starting, or be replaced: milliseconds. */
const POD_AGENT_TIMEOUT = 30_000;
const POD_AGENT_RETRY = 200;

/** Holds the program alive while something of its network is active. */
function makeHost(): LoopHost {
  let holds = 0;
  const root = new AsyncResource("OUTSOCK");
  const alive = setInterval(() => {}, 2 ** 31 - 1);
  alive.unref();
  const { _tickCallback: tick } = process as unknown as { _tickCallback?: () => void };
  return {
    tick: tick === undefined ? () => {} : () => tick.call(process),
    // In no context of the program's (AsyncLocalStorage), whoever asks.
    defer: (turn) => void root.runInAsyncScope(setImmediate, null, turn),
    hold: () => {
      holds++;
      if (holds === 1) alive.ref();
    },
    release: () => {
      holds--;
      if (holds === 0) alive.unref();
    },
  };
}

function parseConfig(text: string): GuestConfig {
  try {
    return JSON.parse(text) as GuestConfig;
  } catch {
    return fail("the variable OUTSOCK_GUEST is no JSON; start guests by `outsock run`");
  }
}

/** A worker thread does not know its file yet: it goes by the program that started it. */
function programName(config: GuestConfig): string {
  return (isMainThread ? process.argv[1] : config.program) ?? "node";
}

/** Errors of an agent that is not there yet, or stops just now. */
const PASSING = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EAGAIN"]);

/** Tries until an agent answers, or the pod's patience is over. @throws AttachError, SysError */
function waitForAgent(patience: number, attach: () => void): void {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      attach();
      return;
    } catch (error) {
      const known = error instanceof AttachError || error instanceof SysError;
      if (!known || !PASSING.has(error.code) || performance.now() >= deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POD_AGENT_RETRY);
    }
  }
}

function mountAgent(kernel: Kernel, config: GuestConfig, natives: Natives, host: LoopHost): Link {
  const program = programName(config);
  const patience = config.pod ? (config.wait ?? POD_AGENT_TIMEOUT) : 0;
  try {
    return mountOutsourced(
      kernel,
      natives,
      (turn) => host.defer(turn),
      config.agent,
      {
        request: "attach",
        protocol: { min: PROTOCOL_MIN, max: PROTOCOL_MAX },
        ...(config.name === undefined ? {} : { name: config.name }),
        ...(config.token === undefined ? {} : { token: config.token }),
        ...(config.container === undefined ? {} : { container: config.container }),
        pid: process.pid,
        program: isMainThread ? program : `${program} (worker thread)`,
        publish: config.publish ?? [],
        ...(config.shortcut === false ? { shortcut: false } : {}),
      },
      config.pod === true,
      (attach) => waitForAgent(patience, attach),
    );
  } catch (error) {
    if (!(error instanceof AttachError) && !(error instanceof SysError)) throw error;
    if (config.pod && PASSING.has(error.code)) {
      return fail(
        `no Outsock host agent answers on ${config.agent} for ${patience / 1000} s: ` +
          `${error.message}; look at its DaemonSet's pod on this node`,
      );
    }
    if (error instanceof AttachError) return fail(error.message);
    return fail(
      `no host agent answers on ${config.agent}: ${error.message}; start one: outsock agent`,
    );
  }
}

export function boot(text: string): void {
  const config = parseConfig(text);
  const require = createRequire(__filename);
  const loaded = new Set(Object.keys(require.cache));
  loaded.delete(__filename);
  const natives = takeNatives(require);
  const host = makeHost();
  const kernel = makeKernel(config.name ?? "guest", {
    defer: (turn) => host.defer(turn),
    betweenThreads: () => host.tick(),
  });
  mountUnix(kernel, natives);
  let identity: Identity = {
    process: process.pid,
    name: kernel.hostname,
    token: config.token,
    address: "127.0.0.1",
  };
  if (config.family === "passthrough") {
    mountPassthrough(kernel, natives);
  } else {
    takeNetworkAway(kernel.log, config.keepHostNetwork === true);
    const link = mountAgent(kernel, config, natives, host);
    identity = link.attachment.reply;
    process.on("exit", () => link.exit());
  }
  run(config, kernel, natives, host, identity);
  // The program's module cache holds what it loaded itself.
  for (const path of Object.keys(require.cache)) if (!loaded.has(path)) delete require.cache[path];
}

/** What the guest's process is called, and what makes its children processes of the same guest. */
interface Identity {
  process: number;
  name: string;
  token: string | undefined;
  address: string;
}

function run(
  config: GuestConfig,
  kernel: Kernel,
  natives: Natives,
  host: LoopHost,
  identity: Identity,
): void {
  const { process: pid, name, token, address } = identity;
  const require = createRequire(__filename);
  const guestProcess = kernel.spawn(pid, basename(process.argv[1] ?? "node"));
  const plain = new Syscalls(kernel, guestProcess);
  const sys = config.strace
    ? traced(plain, (line) => fs.writeSync(2, `[${pid}] ${line}\n`))
    : plain;
  const loop = new EventLoop(sys, host);
  installCompat({
    loop,
    natives,
    fs: require("node:fs") as typeof fs,
    os: require("node:os") as typeof import("node:os"),
    childProcess: require("node:child_process") as typeof import("node:child_process"),
    address: config.pod ? undefined : () => address,
  });

  // Children and threads of the program are processes of the same guest.
  const { publish: _published, ...rest } = config;
  process.env.OUTSOCK_GUEST = JSON.stringify({
    ...rest,
    name,
    token,
    program: programName(config),
  });
  process.on("exit", (code) => kernel.log.write(`process ${pid} exited with ${code}`));
}

const text = process.env.OUTSOCK_GUEST;
if (text !== undefined) boot(text);
