/**
 * Boots the guest kernel in this process (or worker thread) before the program runs: attaches to
 * the host agent, takes the host's network away, and puts node-compat in its place.
 *
 * Loaded by `--require`, so all of it is synchronous.
 */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import type { LookupFunction, SocketConstructorOpts } from "node:net";
import * as os from "node:os";
import { basename } from "node:path";
import { isMainThread } from "node:worker_threads";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "@outsock/abi";
import { denyInetSockets, inetSocketsDenied, SysError } from "@outsock/hostsys";
import type { PublishRequest } from "@outsock/vrpc";
import { Kernel } from "../kernel/kernel.ts";
import { traced } from "../kernel/strace.ts";
import { Syscalls } from "../kernel/syscalls.ts";
import { EventLoop, type LoopHost } from "../node-compat/event-loop.ts";
import { installCompat } from "../node-compat/install.ts";
import { type Natives, takeNatives } from "../node-compat/natives.ts";
import { AttachError } from "../outsourced/attach.ts";
import { OutsourcedFamily } from "../outsourced/family.ts";
import { type DoorbellWatch, Link } from "../outsourced/link.ts";

/** What `outsock run` tells the guest, in the variable OUTSOCK_GUEST. */
export interface GuestConfig {
  /** Path of the agent's socket. */
  agent: string;
  name?: string;
  token?: string;
  publish?: PublishRequest[];
  strace?: boolean;
  /** Leaves the host's network reachable: for kernels without seccomp. */
  keepHostNetwork?: boolean;
}

/** Exit code when the guest cannot be started, as of `docker run`. */
const EXIT_CANNOT_START = 125;
const DESCRIPTOR_LIMIT = 1_048_576;

function fail(sentence: string): never {
  fs.writeSync(2, `outsock: ${sentence}\n`);
  process.exit(EXIT_CANNOT_START);
}

/** Holds the program alive while something of its network is active. */
function makeHost(): LoopHost {
  let holds = 0;
  const alive = setInterval(() => {}, 2 ** 31 - 1);
  alive.unref();
  const { _tickCallback: tick } = process as unknown as { _tickCallback?: () => void };
  return {
    tick: tick === undefined ? () => {} : () => tick.call(process),
    defer: (turn) => void setImmediate(turn),
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

function makeWatch(natives: Natives): DoorbellWatch {
  const NativeSocket = natives.net.Socket;
  const rung = Buffer.alloc(256);
  return {
    start(fd, onRing, onGone) {
      const socket = new NativeSocket({
        fd,
        onread: {
          buffer: rung,
          callback: () => {
            onRing();
            return true;
          },
        },
      } as unknown as SocketConstructorOpts);
      socket.unref();
      socket.on("error", () => {});
      socket.on("end", onGone);
      socket.on("close", onGone);
      return () => socket.destroy();
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

function takeNetworkAway(config: GuestConfig, kernel: Kernel): void {
  if (config.keepHostNetwork) {
    kernel.log.write("seccomp: not installed (--keep-host-network)");
    return;
  }
  if (inetSocketsDenied()) {
    kernel.log.write("seccomp: AF_INET and AF_INET6 of the host are denied already");
    return;
  }
  try {
    denyInetSockets();
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    fail(
      `the host's network cannot be taken from the guest: ${error.message}; a kernel with ` +
        "seccomp filters is needed, or --keep-host-network to run without that protection",
    );
  }
  kernel.log.write("seccomp: AF_INET and AF_INET6 of the host are denied");
}

export function boot(text: string): void {
  const config = parseConfig(text);
  const require = createRequire(__filename);
  const natives = takeNatives(require);
  const host = makeHost();
  const now = (): number => performance.now();
  const program = process.argv[1] ?? "node";
  const kernel = new Kernel({
    hostname: config.name ?? "guest",
    now,
    defer: host.defer,
    betweenThreads: host.tick,
    descriptorLimit: DESCRIPTOR_LIMIT,
    timers: {
      start(delay, fire) {
        const timer = setTimeout(fire, delay);
        return () => clearTimeout(timer);
      },
    },
  });
  const link = new Link({
    path: config.agent,
    request: {
      request: "attach",
      protocol: { min: PROTOCOL_MIN, max: PROTOCOL_MAX },
      ...(config.name === undefined ? {} : { name: config.name }),
      ...(config.token === undefined ? {} : { token: config.token }),
      pid: process.pid,
      program: isMainThread ? program : `${program} (worker thread)`,
      publish: config.publish ?? [],
    },
    watch: makeWatch(natives),
    log: kernel.log,
    now,
    defer: host.defer,
    after(delay, fire) {
      setTimeout(fire, delay).unref();
    },
    run: () => kernel.scheduler.run(),
  });
  try {
    link.attach();
  } catch (error) {
    if (error instanceof AttachError) fail(error.message);
    if (error instanceof SysError) {
      fail(`no host agent answers on ${config.agent}: ${error.message}; start one: outsock agent`);
    }
    throw error;
  }
  const { reply } = link.attachment;
  kernel.rename(reply.name);
  kernel.registerFamily(new OutsourcedFamily(link));
  const { address, nameservers, search } = reply;
  kernel.files.write(
    "/etc/hosts",
    () =>
      `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${address}\t${reply.name}\n`,
  );
  kernel.files.write(
    "/etc/resolv.conf",
    () =>
      nameservers.map((server) => `nameserver ${server}\n`).join("") +
      (search.length > 0 ? `search ${search.join(" ")}\n` : ""),
  );
  takeNetworkAway(config, kernel);
  const guestProcess = kernel.spawn(reply.process, basename(program));
  const plain = new Syscalls(kernel, guestProcess);
  const sys = config.strace
    ? traced(plain, (line) => fs.writeSync(2, `[${reply.process}] ${line}\n`))
    : plain;
  const loop = new EventLoop(sys, host);
  installCompat({ loop, natives, ...makeNames(loop, natives) });

  // Children and threads of the program are processes of the same guest.
  const { publish: _published, ...rest } = config;
  process.env.OUTSOCK_GUEST = JSON.stringify({ ...rest, name: reply.name, token: reply.token });
  process.on("exit", (code) => kernel.log.write(`process ${reply.process} exited with ${code}`));
}

function makeNames(
  loop: EventLoop,
  _natives: Natives,
): { lookup: LookupFunction; dgram: Record<string, unknown>; dns: Record<string, unknown> } {
  const lookup = ((hostname: string, options: unknown, callback: unknown) => {
    const done = (typeof options === "function" ? options : callback) as (...a: unknown[]) => void;
    const all = (options as { all?: boolean }).all;
    const answer = (address: string, family: number) =>
      all ? done(null, [{ address, family }]) : done(null, address, family);
    if (/^[\d.]+$/.test(hostname)) return void process.nextTick(answer, hostname, 4);
    if (hostname.includes(":")) return void process.nextTick(answer, hostname, 6);
    if (hostname === "localhost") return void process.nextTick(answer, "127.0.0.1", 4);
    loop.sys.resolve(hostname, (a) => answer(a[0]!, 4));
  }) as unknown as LookupFunction;
  return { lookup, dgram: {}, dns: { lookup } };
}

// os is used by the overlay of hostname and interfaces.
void os;

const text = process.env.OUTSOCK_GUEST;
if (text !== undefined) boot(text);
