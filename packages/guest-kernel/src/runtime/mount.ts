/** A guest kernel on a real event loop, and the protocol families that it can boot with. */

import type * as dgram from "node:dgram";
import * as fs from "node:fs";
import type * as net from "node:net";
import type { SocketConstructorOpts } from "node:net";
import * as os from "node:os";
import { AF_UNIX } from "@outsock/abi";
import type { AttachRequest } from "@outsock/vrpc";
import { Kernel } from "../kernel/kernel.ts";
import type { SchedulerOptions } from "../kernel/scheduler.ts";
import { OutsourcedFamily } from "../outsourced/family.ts";
import { type DoorbellWatch, Link } from "../outsourced/link.ts";
import { PassthroughFamily, UnixFamily } from "../passthrough/family.ts";
import { HostNetwork } from "../passthrough/host-network.ts";

/** The host's network modules, before anything replaced them. */
export interface HostModules {
  net: typeof net;
  dgram: typeof dgram;
}

const DESCRIPTOR_LIMIT = 1_048_576;
/** Of a file of the container that is read for names; what is longer is cut. */
const TEXT_MAX = 1024 * 1024;

/** As they are now: node-compat puts its own in their place. */
const { existsSync, readFileSync, statSync } = fs;
const { hostname } = os;

/** A kernel whose clock and timers are the host's. */
export function makeKernel(hostname: string, scheduling: SchedulerOptions): Kernel {
  return new Kernel({
    ...scheduling,
    hostname,
    now: () => performance.now(),
    descriptorLimit: DESCRIPTOR_LIMIT,
    timers: {
      start(delay, fire) {
        const timer = setTimeout(fire, delay);
        return () => clearTimeout(timer);
      },
    },
  });
}

function makeWatch(NativeSocket: typeof net.Socket): DoorbellWatch {
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

/** Text of a file of the container, read again when the file has changed; empty without one. */
function containerFile(path: string): () => string {
  let version = "";
  let text = "";
  return () => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    const now = stat?.isFile() ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}` : "";
    if (now !== version) {
      version = now;
      text = now === "" ? "" : readFileSync(path, "utf8").slice(0, TEXT_MAX);
    }
    return text;
  };
}

/**
 * Attaches to the host agent on `path`, blocking, and makes its sockets those of the guest.
 * @param pod the guest's machine is its pod: names are those of the container's own files
 * @param patiently runs the attempt to attach, several times where an agent is waited for
 * @throws AttachError, SysError
 */
export function mountOutsourced(
  kernel: Kernel,
  modules: HostModules,
  defer: (turn: () => void) => void,
  path: string,
  request: AttachRequest,
  pod = false,
  patiently: (attach: () => void) => void = (attach) => attach(),
): Link {
  const link = new Link({
    path,
    request,
    watch: makeWatch(modules.net.Socket),
    log: kernel.log,
    now: kernel.now,
    defer,
    after(delay, fire) {
      setTimeout(fire, delay).unref();
    },
    run: () => kernel.scheduler.run(),
  });
  patiently(() => link.attach());
  const { name, address, nameservers, search } = link.attachment.reply;
  kernel.rename(pod ? hostname() : name);
  kernel.registerFamily(new OutsourcedFamily(link));
  if (pod) {
    for (const path of ["/etc/hosts", "/etc/resolv.conf"]) {
      kernel.files.write(path, containerFile(path));
    }
    return link;
  }
  // "localhost" has the families that it has on the host: a program sees what it sees natively.
  const sixNames = `${hostLocalhostHasIPv6() ? "localhost " : ""}ip6-localhost ip6-loopback`;
  kernel.files.write(
    "/etc/hosts",
    () => `127.0.0.1\tlocalhost\n::1\t${sixNames}\n${address}\t${name}\n`,
  );
  kernel.files.write(
    "/etc/resolv.conf",
    () =>
      nameservers.map((server) => `nameserver ${server}\n`).join("") +
      (search.length > 0 ? `search ${search.join(" ")}\n` : ""),
  );
  return link;
}

function hostLocalhostHasIPv6(): boolean {
  try {
    return /^\s*::1\s(?:[^#\n]*\s)?localhost(?:\s|$)/m.test(readFileSync("/etc/hosts", "utf8"));
  } catch {
    return true;
  }
}

/** Makes the host's own sockets those of the guest. */
export function mountPassthrough(kernel: Kernel, modules: HostModules): void {
  kernel.registerFamily(new PassthroughFamily(new HostNetwork(modules)));
  for (const path of ["/etc/hosts", "/etc/resolv.conf"]) {
    if (!existsSync(path)) continue;
    const text = readFileSync(path, "utf8");
    kernel.files.write(path, () => text);
  }
}

/** AF_UNIX by path, whatever the family of the network is. */
export function mountUnix(kernel: Kernel, modules: HostModules): void {
  kernel.registerFamily(new UnixFamily(new HostNetwork(modules)), [AF_UNIX]);
}
