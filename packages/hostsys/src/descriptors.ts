/** Descriptors: close(2), fcntl(2), poll(2), flock(2). */
import { check, ERRNO, fcntl, lastErrno, libc, sysError } from "./libc.ts";

const F_DUPFD_CLOEXEC = 1030;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SHUT_RDWR = 2;
const LOCK_EX = 2;
const LOCK_NB = 4;
const TIMEOUT_MAX = 0x7fffffff;

/** Events of poll(2). */
export const POLLIN = 0x01;
export const POLLOUT = 0x04;
export const POLLERR = 0x08;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;

/** close(2). Never throws. @returns false when `fd` was not open */
export function closeFd(fd: number): boolean {
  // EINTR and EIO leave the descriptor closed on Linux.
  return libc<(fd: number) => number>("int close(int fd)")(fd) === 0 || lastErrno() !== ERRNO.EBADF;
}

/** Ends a connection both ways, for whoever has a descriptor of it (shutdown(2)). Never throws. */
export function shutdownFd(fd: number): void {
  libc<(fd: number, how: number) => number>("int shutdown(int fd, int how)")(fd, SHUT_RDWR);
}

/** A second descriptor of the same open file, closed on exec. @throws SysError EMFILE, EBADF */
export function dupFd(fd: number): number {
  return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/** Whether execve(2) closes `fd`. @throws SysError EBADF */
export function setCloexec(fd: number, on: boolean): void {
  fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

/** poll(2) on an array of struct pollfd { int fd; short events; short revents; }. */
function poll(entries: Buffer, timeoutMs: number): number {
  const call = libc<(fds: Buffer, n: number, timeout: number) => number>(
    "int poll(void *fds, unsigned long n, int timeout)",
  );
  const forEver = timeoutMs < 0 || timeoutMs === Number.POSITIVE_INFINITY;
  const deadline = performance.now() + timeoutMs;
  let left = timeoutMs;
  for (;;) {
    const n = call(
      entries,
      entries.length / 8,
      forEver ? -1 : Math.min(Math.ceil(left), TIMEOUT_MAX),
    );
    if (n >= 0) return n;
    if (lastErrno() !== ERRNO.EINTR) throw sysError("poll");
    if (!forEver) left = Math.max(0, deadline - performance.now());
  }
}

/**
 * poll(2): blocks the thread until one of `entries` is ready; goes on after a signal with the time
 * that is left.
 * @param timeoutMs milliseconds; negative or Infinity = for ever
 * @returns revents of each entry (POLLNVAL for a descriptor that is not open); all 0 after the time
 * @throws SysError EINVAL (more entries than RLIMIT_NOFILE), ENOMEM
 */
export function pollFds(
  entries: readonly { fd: number; events: number }[],
  timeoutMs: number,
): number[] {
  const buffer = Buffer.alloc(entries.length * 8);
  for (const [i, { fd, events }] of entries.entries()) {
    buffer.writeInt32LE(fd, i * 8);
    buffer.writeInt16LE(events, i * 8 + 4);
  }
  poll(buffer, timeoutMs);
  return entries.map((_, i) => buffer.readInt16LE(i * 8 + 6));
}

const single = Buffer.from(new ArrayBuffer(8));

/**
 * Blocks the thread until a read of `fd` would not block: bytes, the end or an error are there.
 * @param timeoutMs milliseconds; negative or Infinity = for ever
 * @returns false after the time. @throws SysError ENOMEM
 */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  single.writeInt32LE(fd, 0);
  single.writeInt32LE(POLLIN, 4);
  return poll(single, timeoutMs) !== 0;
}

/** As `waitReadable`, until a write of `fd` would not block. */
export function waitWritable(fd: number, timeoutMs: number): boolean {
  single.writeInt32LE(fd, 0);
  single.writeInt32LE(POLLOUT, 4);
  return poll(single, timeoutMs) !== 0;
}

/**
 * flock(2): locks an open file for this process and whoever shares its open file description.
 * @returns false when another holds it. @throws SysError EBADF, ENOLCK
 */
export function flockExclusive(fd: number): boolean {
  const call = libc<(fd: number, operation: number) => number>("int flock(int fd, int operation)");
  for (;;) {
    if (call(fd, LOCK_EX | LOCK_NB) === 0) return true;
    const errno = lastErrno();
    if (errno === ERRNO.EAGAIN) return false;
    if (errno !== ERRNO.EINTR) check("flock", -1);
  }
}
