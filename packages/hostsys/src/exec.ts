/**
 * execve(2): replaces the process, so that the new program has its pid, its streams and its
 * signals.
 *
 * What Node has changed since it started is set back: it ignores SIGPIPE and SIGXFSZ, libuv makes
 * pipes nonblocking, descriptors 0 to 2 may be closed on exec. It also raises the soft limit of
 * descriptors to the hard one; that stays. Signals that were ignored before Node started cannot be
 * told: Node itself sets them to their defaults.
 */
import { readFileSync } from "node:fs";
import { ERRNO, fcntl, fixedMemory, lastErrno, libc, SysError, sysError } from "./libc.ts";

const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0x800;
const SIG_SETMASK = 2;
const SIG_DFL = 0;
const SIG_IGN = 1;
/** Room of a sigset_t, in glibc and in musl. */
const SIGSET_BYTES = 128;

/** Numbers of the signals that this process ignores (proc_pid_status(5), SigIgn). */
function ignoredSignals(): number[] {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const bits = BigInt(`0x${mask ?? "0"}`);
  const numbers: number[] = [];
  for (let n = 1; n <= 64; n++) if ((bits >> BigInt(n - 1)) & 1n) numbers.push(n);
  return numbers;
}

/** Makes 0 to 2 as a program expects them; returns what takes that back. */
function openStandardStreams(): () => void {
  const undo: (() => void)[] = [];
  for (const fd of [0, 1, 2]) {
    try {
      const kept = fcntl(fd, F_GETFD, 0);
      const flags = fcntl(fd, F_GETFL, 0);
      if (kept & FD_CLOEXEC) {
        fcntl(fd, F_SETFD, kept & ~FD_CLOEXEC);
        undo.push(() => fcntl(fd, F_SETFD, kept));
      }
      if (flags & O_NONBLOCK) {
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
        undo.push(() => fcntl(fd, F_SETFL, flags));
      }
    } catch (error) {
      // A closed stream stays closed.
      if (!(error instanceof SysError && error.code === "EBADF")) throw error;
    }
  }
  return () => {
    for (const step of undo) step();
  };
}

/** Sets signals to what a new process has; returns what takes that back. */
function resetSignals(): () => void {
  // int and not a pointer as the handler: the return value is not looked at.
  const signal = libc<(number: number, handler: number) => unknown>(
    "intptr_t signal(int number, intptr_t handler)",
  );
  const sigprocmask = libc<(how: number, set: Uint8Array, old: Uint8Array | null) => number>(
    "int sigprocmask(int how, const void *set, void *old)",
  );
  const ignored = ignoredSignals();
  for (const number of ignored) signal(number, SIG_DFL);
  const before = new Uint8Array(SIGSET_BYTES);
  sigprocmask(SIG_SETMASK, new Uint8Array(SIGSET_BYTES), before);
  return () => {
    sigprocmask(SIG_SETMASK, before, null);
    for (const number of ignored) signal(number, SIG_IGN);
  };
}

function checked(what: string, text: string): string {
  if (!text.includes("\0")) return text;
  throw new SysError("execve", ERRNO.EINVAL, `${what} holds a NUL character`);
}

/** A list of C strings and the pointers to them, NULL behind the last one. */
function stringList(strings: readonly string[]): ReturnType<typeof fixedMemory> {
  const encoded = strings.map((text) => Buffer.from(text));
  const pointerBytes = (strings.length + 1) * 8;
  const memory = fixedMemory(encoded.reduce((sum, b) => sum + b.length + 1, pointerBytes));
  let at = pointerBytes;
  for (const [i, text] of encoded.entries()) {
    memory.bytes.writeBigUInt64LE(memory.address + BigInt(at), i * 8);
    memory.bytes.set(text, at);
    at += text.length + 1;
  }
  return memory;
}

/**
 * Replaces this process by the program at `path`, which gets the same pid. Standard streams are
 * open and blocking; other descriptors stay open when they are not closed on exec; no signal is
 * blocked or ignored; seccomp filters stay. Nothing of Node is ended in order: no 'exit' event,
 * bytes that `process.stdin` has read already are lost.
 * @param argv argv[0] is the name of the program
 * @throws SysError ENOENT, EACCES, ENOEXEC, E2BIG (a string over 128 KiB, or too much in all),
 *   EINVAL (NUL in a string, a name with "="); then the process is as it was
 */
export function execve(path: string, argv: string[], env: Record<string, string>): never {
  const args = stringList(argv.map((text) => checked("an argument", text)));
  const variables = stringList(
    Object.entries(env).map(([name, value]) => {
      if (name === "" || name.includes("=")) {
        throw new SysError("execve", ERRNO.EINVAL, `"${name}" is no name of a variable`);
      }
      return checked(`the variable ${name}`, `${name}=${value}`);
    }),
  );
  checked("the path", path);
  const call = libc<(path: string, argv: Buffer, env: Buffer) => number>(
    "int execve(const char *path, const void *argv, const void *env)",
  );
  const closeStreams = openStandardStreams();
  const restoreSignals = resetSignals();
  call(path, args.bytes, variables.bytes);
  const errno = lastErrno();
  restoreSignals();
  closeStreams();
  throw sysError("execve", errno);
}
