/** Names of processes that are not reused: pidfd_open(2), start time (proc_pid_stat(5)). */
import { readFileSync } from "node:fs";
import { SOL_SOCKET } from "@outsock/abi";
import { closeFd, waitReadable } from "./descriptors.ts";
import { check, ERRNO, lastErrno, libc, SysError, sysError, whole } from "./libc.ts";
import { peerCredentials } from "./unix-socket.ts";

/** Same number on every architecture. */
const SYS_PIDFD_OPEN = 434;
/** Linux 6.5 on: a descriptor of the very process that connected (unix(7)). */
const SO_PEERPIDFD = 77;

/**
 * pidfd_open(2): a descriptor that becomes readable when the process ends; closed on exec.
 * @throws SysError ESRCH, EINVAL, EMFILE, ENOSYS (before Linux 5.3)
 */
export function pidfdOpen(pid: number): number {
  whole("pidfd_open", "pid", pid, 1);
  const syscall = libc<(nr: number, ...rest: unknown[]) => number>("long syscall(long nr, ...)");
  return check("pidfd_open", syscall(SYS_PIDFD_OPEN, "int", pid, "unsigned int", 0));
}

/**
 * When the process started, in clock ticks (1/100 s) since the system's boot. With the pid it
 * names one process and never another.
 * @throws SysError ESRCH when there is no such process
 */
export function processStartTime(pid: number): number {
  whole("stat", "pid", pid, 1);
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    throw sysError("stat", ERRNO.ESRCH);
  }
  // Field 2 is the name in parentheses, in which anything may stand; field 3 follows the last one.
  const ticks = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[22 - 3]);
  if (!Number.isSafeInteger(ticks)) {
    throw new SysError("stat", ERRNO.EINVAL, `/proc/${pid}/stat has no start time`);
  }
  return ticks;
}

/**
 * Whether the process of a pidfd runs still; one that has ended and is not waited for does not.
 * @throws SysError EBADF
 */
export function pidfdAlive(pidfd: number): boolean {
  return !waitReadable(pidfd, 0);
}

/** SO_PEERPIDFD; undefined before Linux 6.5. */
function peerPidfd(fd: number): number | undefined {
  const call = libc<
    (fd: number, level: number, name: number, value: Int32Array, n: Uint32Array) => number
  >("int getsockopt(int fd, int level, int name, void *value, void *length)");
  const value = new Int32Array(1);
  if (call(fd, SOL_SOCKET, SO_PEERPIDFD, value, new Uint32Array([4])) === 0) return value[0]!;
  const errno = lastErrno();
  if (errno === ERRNO.ENOPROTOOPT) return undefined;
  // EINVAL: the process was reaped before it was asked for; ESRCH on later kernels.
  throw sysError("getsockopt", errno === ERRNO.EINVAL ? ERRNO.ESRCH : errno);
}

export interface PeerProcess {
  pid: number;
  uid: number;
  gid: number;
  /** Readable once the process has ended; the caller closes it. */
  pidfd: number;
}

/**
 * The process that connected a unix socket. What is read from /proc/<pid> is about that process
 * when `pidfdAlive` holds afterwards: a pid is not given to another before its process is reaped.
 * Before Linux 6.5 the pidfd is opened by number, so a process that ended between its connect and
 * this call may be mistaken for the next with its pid: check what it is (its namespace) too.
 * @throws SysError ESRCH when it has ended, or this process cannot see it (another pid namespace)
 */
export function peerProcess(fd: number): PeerProcess {
  const { pid, uid, gid } = peerCredentials(fd);
  if (pid <= 0) throw sysError("getsockopt", ERRNO.ESRCH);
  const pidfd = peerPidfd(fd) ?? pidfdOpen(pid);
  if (!pidfdAlive(pidfd)) {
    closeFd(pidfd);
    throw sysError("pidfd_open", ERRNO.ESRCH);
  }
  return { pid, uid, gid, pidfd };
}
