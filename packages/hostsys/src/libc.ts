/** Loads libc once, on first use: importing this package must not fail anywhere. */
import { createRequire } from "node:module";
import { constants } from "node:os";

type Koffi = typeof import("koffi").default;
type Fn = (...args: never[]) => unknown;

/** A system call failed. Same shape as Node's own system errors. */
export class SysError extends Error {
  /** e.g. "ENOMEM" */
  readonly code: string;
  /** Negative, as Node's. */
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number, sentence: string, code: string) {
    super(`${syscall}: ${sentence} (${code})`);
    this.code = code;
    this.errno = -errno;
    this.syscall = syscall;
  }
}

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];
const ARCHITECTURES = ["x64", "arm64"];

let koffi: Koffi | undefined;
let library: ReturnType<Koffi["load"]> | undefined;
const functions = new Map<string, Fn>();

export function isSupported(): boolean {
  return process.platform === "linux" && ARCHITECTURES.includes(process.arch);
}

export function ffi(): Koffi {
  if (koffi !== undefined) return koffi;
  if (!isSupported()) {
    throw new SysError(
      "load",
      38,
      `Outsock needs Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`,
      "ENOSYS",
    );
  }
  const require = createRequire(import.meta.url);
  koffi = require("koffi") as Koffi;
  return koffi;
}

function load(): ReturnType<Koffi["load"]> {
  if (library !== undefined) return library;
  const k = ffi();
  for (const name of LIBRARIES) {
    try {
      library = k.load(name);
      return library;
    } catch {
      // The next one.
    }
  }
  throw new SysError("dlopen", 2, `none of ${LIBRARIES.join(", ")} can be loaded`, "ENOENT");
}

/** A function of libc by its C prototype; found once. */
export function libc<F extends Fn>(prototype: string): F {
  let found = functions.get(prototype);
  if (found === undefined) {
    found = load().func(prototype) as unknown as Fn;
    functions.set(prototype, found);
  }
  return found as F;
}

export function lastErrno(): number {
  return ffi().errno();
}

const CODES = new Map<number, string>(
  Object.entries(constants.errno).map(([name, value]) => [value, name]),
);

/** The error of the system call that failed last. */
export function sysError(syscall: string, errno = lastErrno()): SysError {
  const sentence = libc<(n: number) => string>("const char *strerror(int n)")(errno);
  return new SysError(syscall, errno, sentence, CODES.get(errno) ?? `E${errno}`);
}

/** Passes results of 0 or more through; throws for -1. */
export function check(syscall: string, result: number): number {
  if (result < 0) throw sysError(syscall);
  return result;
}
