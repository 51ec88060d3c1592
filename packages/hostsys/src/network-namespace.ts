/**
 * Network namespaces (network_namespaces(7)): setns(2) of the calling thread alone, and back.
 *
 * A socket belongs to the namespace in which socket(2) was called, for ever: bind, listen and
 * connect may follow anywhere. So only the call that makes it needs the visit, and a visit is
 * synchronous: nothing else of this thread runs meanwhile.
 */
import * as fs from "node:fs";
import { closeFd } from "./descriptors.ts";
import { check, ERRNO, libc, sysError } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;

const { fstatSync, openSync } = fs;

let own: number | undefined;

function setNetworkNamespace(fd: number): number {
  const call = libc<(fd: number, type: number) => number>("int setns(int fd, int nstype)");
  return call(fd, CLONE_NEWNET);
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw sysError("open", errno === undefined ? ERRNO.EIO : -errno);
  }
}

/** The namespace that this thread was in when it asked first. */
function ownNamespace(): number {
  own ??= open("/proc/thread-self/ns/net");
  return own;
}

/**
 * A descriptor of the network namespace that a process is in; holds the namespace, closed on exec.
 * @throws SysError ENOENT (no such process), EACCES (no right to look at it), EMFILE
 */
export function openNetworkNamespace(pid: number | "self"): number {
  return pid === "self" ? open("/proc/thread-self/ns/net") : open(`/proc/${pid}/ns/net`);
}

/** What names a namespace as long as somebody holds it: inode of nsfs (namespaces(7)). */
export function namespaceInode(fd: number): string {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    throw sysError("fstat", ERRNO.EBADF);
  }
}

/**
 * Runs `work` with this thread in the network namespace `fd`. `work` must be synchronous, and must
 * start no thread and no process: those would stay there.
 * @throws SysError EPERM (needs CAP_SYS_ADMIN there and here), EINVAL (no network namespace),
 *   EBADF; whatever `work` throws
 */
export function inNetworkNamespace<T>(fd: number, work: () => T): T {
  const back = ownNamespace();
  check("setns", setNetworkNamespace(fd));
  try {
    return work();
  } finally {
    // A thread that is left in a foreign namespace would make everybody's sockets there.
    if (setNetworkNamespace(back) !== 0) process.abort();
  }
}

/**
 * A network namespace of its own, with nothing in it but a loopback that is down: for tests.
 * @throws SysError EPERM
 */
export function newNetworkNamespace(): number {
  const back = ownNamespace();
  const unshare = libc<(flags: number) => number>("int unshare(int flags)");
  check("unshare", unshare(CLONE_NEWNET));
  try {
    return open("/proc/thread-self/ns/net");
  } finally {
    if (setNetworkNamespace(back) !== 0) process.abort();
  }
}

/** Opens a process's namespace for a moment. @throws SysError as openNetworkNamespace */
export function namespaceOf(pid: number | "self"): string {
  const fd = openNetworkNamespace(pid);
  try {
    return namespaceInode(fd);
  } finally {
    closeFd(fd);
  }
}

/** ioctl_ns(2): the user namespace that owns another namespace. */
const NS_GET_USERNS = 0xb701;

/**
 * Whose rights count in a network namespace: names its user namespace as `namespaceInode` does.
 * @throws SysError EPERM (it is outside of this process's own), ENOTTY (no namespace)
 */
export function namespaceOwner(fd: number): string {
  const ioctl = libc<(fd: number, request: number, argument: number) => number>(
    "int ioctl(int fd, unsigned long request, long argument)",
  );
  const owner = check("ioctl", ioctl(fd, NS_GET_USERNS, 0));
  try {
    return namespaceInode(owner);
  } finally {
    closeFd(owner);
  }
}

/** The user namespace of a process. @throws SysError ENOENT, EACCES */
export function userNamespaceOf(pid: number): string {
  const fd = open(`/proc/${pid}/ns/user`);
  try {
    return namespaceInode(fd);
  } finally {
    closeFd(fd);
  }
}
