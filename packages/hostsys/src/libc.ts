/** Loads libc once, on first use: importing this package must not fail anywhere. */
import { createRequire } from "node:module";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";

type Koffi = typeof import("koffi").default;
type Fn = (...args: never[]) => unknown;

export const ERRNO = constants.errno;

function nameOf(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `E${errno}`;
  }
}

/** A system call failed. Same shape as Node's own system errors. */
export class SysError extends Error {
  override readonly name = "SysError";
  /** e.g. "ENOMEM" */
  readonly code: string;
  /** Negative, as Node's: -12. */
  readonly errno: number;
  /** e.g. "memfd_create" */
  readonly syscall: string;

  /** @param errno positive, as in errno(3); `code` is its name unless given */
  constructor(syscall: string, errno: number, sentence: string, code = nameOf(errno)) {
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

/** True on Linux on x86_64 and arm64: elsewhere every call throws SysError ENOSYS. */
export function isSupported(): boolean {
  return process.platform === "linux" && ARCHITECTURES.includes(process.arch);
}

export function ffi(): Koffi {
  if (koffi !== undefined) return koffi;
  if (!isSupported()) {
    throw new SysError(
      "load",
      ERRNO.ENOSYS,
      `Outsock needs Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`,
      "ENOSYS",
    );
  }
  // A CommonJS bundle has no import.meta, but its own __filename.
  const require = createRequire(import.meta.url ?? __filename);
  try {
    koffi = require("koffi") as Koffi;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new SysError("load", ERRNO.ENOSYS, `koffi cannot be loaded: ${reason}`);
  }
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
  throw new SysError("dlopen", ERRNO.ENOENT, `none of ${LIBRARIES.join(", ")} can be loaded`);
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

/** errno(3) of the call made last; ask before anything else is called. */
export function lastErrno(): number {
  return ffi().errno();
}

/** The error of the system call that failed last. */
export function sysError(syscall: string, errno = lastErrno()): SysError {
  const sentence = libc<(n: number) => string>("const char *strerror(int n)")(errno);
  return new SysError(syscall, errno, sentence);
}

/** Passes results of 0 or more through; throws for -1. */
export function check(syscall: string, result: number): number {
  if (result < 0) throw sysError(syscall);
  return result;
}

/** Passes a count or size through; throws EINVAL when it is no integer from `least` on. */
export function whole(syscall: string, what: string, value: number, least = 0): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new SysError(syscall, ERRNO.EINVAL, `${what} ${value} is no integer from ${least} on`);
  }
  return value;
}

/** fcntl(2) with an int as its argument. */
export function fcntl(fd: number, command: number, argument: number): number {
  const call = libc<(fd: number, command: number, kind: string, argument: number) => number>(
    "int fcntl(int fd, int command, ...)",
  );
  return check("fcntl", call(fd, command, "int", argument));
}

/**
 * Memory of C that does not move: koffi takes a typed array in a call as it is, but a pointer
 * inside a structure has to stay true until the call is over. V8 keeps small typed arrays in its
 * moving heap unless they are made on an ArrayBuffer of their own.
 * Caller's duty: hold the result (in a variable of the module, say) until after the call.
 */
export function fixedMemory(bytes: number): { bytes: Buffer; address: bigint } {
  const memory = Buffer.from(new ArrayBuffer(Math.max(bytes, 1)), 0, bytes);
  return { bytes: memory, address: BigInt(ffi().address(memory)) };
}
