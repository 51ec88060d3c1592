/**
 * Takes the host's network from the process that the guest boots in.
 *
 * `outsock run` has done it before Node started. A process that became a guest by NODE_OPTIONS
 * alone (a pod's) does it here, and then the Node of 22 and later has an io_uring already, which
 * makes sockets past the filter, and which libuv cannot do without once it is there. So such a
 * process becomes itself again by execve(2), once: same pid, words, environment and streams, but
 * now under the filter, where libuv gets no ring. UV_USE_IO_URING=0 does not help: libuv asks it
 * for the ring of its thread pool's work only, not for the one that it batches epoll_ctl(2) with.
 *
 * Nothing of the program has run by then, and nothing was read from standard input. Children and
 * threads inherit the filter and start once.
 */
import * as fs from "node:fs";
import { isMainThread } from "node:worker_threads";
import {
  denyInetSockets,
  execve,
  holdsIoUring,
  inetSocketsDenied,
  SysError,
} from "@outsock/hostsys";
import type { KernelLog } from "../kernel/klog.ts";
import { fail } from "./fail.ts";

/**
 * Strings with a NUL behind each, as /proc shows them; undefined where it shows nothing (a Node
 * with capabilities of its file, run by another user than root).
 */
function strings(path: string): string[] | undefined {
  try {
    return fs.readFileSync(path, "utf8").split("\0").slice(0, -1);
  } catch {
    return undefined;
  }
}

/** --title has written over the words of the command line (in place). */
function titled(): boolean {
  const given = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? "").split(/\s+/)];
  return given.some((word) => word.startsWith("--title"));
}

function commandLine(): string[] {
  const shown = titled() ? undefined : strings("/proc/self/cmdline");
  return shown ?? [process.argv0, ...process.execArgv, ...process.argv.slice(1)];
}

/** The environment that the process was started with: what was loaded before us comes again. */
function environment(): Record<string, string> {
  const env: Record<string, string> = {};
  const shown = strings("/proc/self/environ");
  if (shown === undefined) return { ...process.env } as Record<string, string>;
  for (const text of shown) {
    const at = text.indexOf("=");
    if (at > 0) env[text.slice(0, at)] = text.slice(at + 1);
  }
  return env;
}

function mayHoldIoUring(): boolean {
  try {
    return holdsIoUring();
  } catch {
    return Number.parseInt(process.versions.node, 10) >= 22;
  }
}

function startAgain(): never {
  try {
    return execve(process.execPath, commandLine(), environment());
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    return fail(`the process cannot start again without an io_uring: ${error.message}`);
  }
}

/** Ends the process with a sentence where it cannot be done. */
export function takeNetworkAway(log: KernelLog, keep: boolean): void {
  if (keep) {
    log.write("seccomp: not installed (--keep-host-network)");
    return;
  }
  try {
    if (inetSocketsDenied()) {
      log.write("seccomp: AF_INET and AF_INET6 of the host are denied already");
      return;
    }
    denyInetSockets();
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    fail(
      `the host's network cannot be taken from the guest: ${error.message}; a kernel with ` +
        "seccomp filters is needed, or --keep-host-network to run without that protection",
    );
  }
  log.write("seccomp: AF_INET and AF_INET6 of the host are denied");
  if (isMainThread && mayHoldIoUring()) startAgain();
}
