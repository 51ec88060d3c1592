/** Runs a module's text in a Node of its own: for what a test must not do to its own process. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { isSupported, SysError } from "@outsock/hostsys";
import { describe } from "vitest";

/** The reason why these tests are skipped elsewhere is in their name. */
export const onLinux = (name: string, body: () => void): void => {
  describe.skipIf(!isSupported())(`${name} [Linux on x64 or arm64]`, body);
};

/** Where "@outsock/hostsys" can be imported from. */
const PACKAGE = join(import.meta.dirname, "..");
/** A child that hangs is ended before the test is, so that none is left behind. */
const LIMITS = { cwd: PACKAGE, timeout: 50_000, killSignal: "SIGKILL" } as const;
const PRELUDE = 'import * as hs from "@outsock/hostsys"; import * as fs from "node:fs";\n';

export interface Ended {
  out: string;
  err: string;
  code: number | null;
  signal: string | null;
}

export function nodeArguments(script: string): string[] {
  return ["--input-type=module", "-e", PRELUDE + script];
}

export function start(script: string, env: NodeJS.ProcessEnv = process.env): ChildProcess {
  return spawn(process.execPath, nodeArguments(script), { ...LIMITS, env });
}

export async function ended(child: ChildProcess): Promise<Ended> {
  const exit = new Promise<Pick<Ended, "code" | "signal">>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const [out, err, how] = await Promise.all([text(child.stdout!), text(child.stderr!), exit]);
  return { out, err, ...how };
}

/** What `script` prints as JSON. `limit`: words of a shell's ulimit, e.g. "-n 64". */
export async function resultOf(script: string, limit?: string): Promise<unknown> {
  const child =
    limit === undefined
      ? start(script)
      : spawn(
          "sh",
          ["-c", `ulimit ${limit}; exec "$0" "$@"`, process.execPath, ...nodeArguments(script)],
          LIMITS,
        );
  child.stdin?.end();
  const { out, err, code, signal } = await ended(child);
  if (code !== 0) throw new Error(`child ended by ${signal ?? code}: ${err}${out}`);
  return JSON.parse(out);
}

/** The code of the SysError that `call` throws. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof SysError) return error.code;
    throw error;
  }
  return "no error";
}

/** How many descriptors of this process are the memfd called `name`. */
export function openMemfds(name: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`/memfd:${name} `);
    } catch {
      return false;
    }
  }).length;
}

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

export function flagsOf(fd: number): { nonblocking: boolean; closedOnExec: boolean } {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(text)![1]!, 8);
  return { nonblocking: (flags & O_NONBLOCK) !== 0, closedOnExec: (flags & O_CLOEXEC) !== 0 };
}

/** A descriptor number that is not open. */
export const BAD_FD = 987_654;
