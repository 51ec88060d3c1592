/** execve(2): replaces the process, so that the guest has the pid, streams and signals of it. */

import { setCloexec } from "./descriptors.ts";
import { libc, sysError } from "./libc.ts";

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0x800;
const SIG_SETMASK = 2;
const SIG_DFL = 0n;
const SIGPIPE = 13;
const SIGXFSZ = 25;

/**
 * Replaces this process by `path`. Standard streams stay open and blocking; no signal stays
 * blocked or ignored. @throws SysError ENOENT, EACCES, E2BIG
 */
export function execve(path: string, argv: readonly string[], env: Record<string, string>): never {
  const fcntl = libc<(fd: number, command: number, kind: string, argument: number) => number>(
    "int fcntl(int fd, int command, ...)",
  );
  for (const fd of [0, 1, 2]) {
    try {
      setCloexec(fd, false);
      const flags = fcntl(fd, F_GETFL, "int", 0);
      if (flags & O_NONBLOCK) fcntl(fd, F_SETFL, "int", flags & ~O_NONBLOCK);
    } catch {
      // A closed stream stays closed.
    }
  }
  const signal = libc<(n: number, handler: bigint) => unknown>(
    "void *signal(int number, uintptr_t handler)",
  );
  for (const number of [SIGPIPE, SIGXFSZ]) signal(number, SIG_DFL);
  const sigprocmask = libc<(how: number, set: Buffer, old: null) => number>(
    "int sigprocmask(int how, const void *set, void *old)",
  );
  sigprocmask(SIG_SETMASK, Buffer.alloc(128), null);
  const call = libc<(path: string, argv: (string | null)[], env: (string | null)[]) => number>(
    "int execve(const char *path, const char **argv, const char **env)",
  );
  const pairs = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  call(path, [...argv, null], [...pairs, null]);
  throw sysError("execve");
}
