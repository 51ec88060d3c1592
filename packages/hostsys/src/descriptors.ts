/** Descriptors: close, duplicate, poll(2), flock(2), doorbell bytes. */
import { check, lastErrno, libc, sysError } from "./libc.ts";

const F_DUPFD_CLOEXEC = 1030;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const EINTR = 4;
const EAGAIN = 11;
const LOCK_EX = 2;
const LOCK_NB = 4;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
export const POLLIN = 1;
export const POLLOUT = 4;

export function closeFd(fd: number): void {
  libc<(fd: number) => number>("int close(int fd)")(fd);
}

function fcntl(fd: number, command: number, argument: number): number {
  const call = libc<(fd: number, command: number, kind: string, argument: number) => number>(
    "int fcntl(int fd, int command, ...)",
  );
  return check("fcntl", call(fd, command, "int", argument));
}

/** A second descriptor, closed on exec. @throws SysError EMFILE, EBADF */
export function dupFd(fd: number): number {
  return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

export function setCloexec(fd: number, on: boolean): void {
  fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

/**
 * poll(2). @param timeoutMs -1 = for ever
 * @returns revents of each entry; all 0 after the time
 */
export function pollFds(
  entries: readonly { fd: number; events: number }[],
  timeoutMs: number,
): number[] {
  const call = libc<(fds: Buffer, n: number, timeout: number) => number>(
    "int poll(void *fds, unsigned long n, int timeout)",
  );
  const buffer = Buffer.alloc(entries.length * 8);
  for (const [i, { fd, events }] of entries.entries()) {
    buffer.writeInt32LE(fd, i * 8);
    buffer.writeInt16LE(events, i * 8 + 4);
  }
  const deadline = performance.now() + timeoutMs;
  for (let left = timeoutMs; ; left = Math.max(0, deadline - performance.now())) {
    const n = call(buffer, entries.length, timeoutMs < 0 ? -1 : Math.ceil(left));
    if (n >= 0) break;
    if (lastErrno() !== EINTR) throw sysError("poll");
  }
  return entries.map((_, i) => buffer.readInt16LE(i * 8 + 6));
}

/** Waits until `fd` is readable or at its end. @returns false after the time */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  return pollFds([{ fd, events: POLLIN }], timeoutMs)[0] !== 0;
}

const byte = Buffer.from([1]);
const sink = Buffer.alloc(256);
type Transfer = (fd: number, buffer: Buffer, length: number, flags: number) => number;
let send: Transfer | undefined;
let recv: Transfer | undefined;

/**
 * Sends one byte without waiting. @returns true when it was sent, or the peer has bytes waiting
 * (EAGAIN); false when the peer is gone
 */
export function sendByte(fd: number): boolean {
  send ??= libc<Transfer>("long send(int fd, const void *buffer, size_t length, int flags)");
  if (send(fd, byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) === 1) return true;
  return lastErrno() === EAGAIN;
}

/** Takes all bytes that wait. @returns how many; -1 when the peer is gone */
export function drainBytes(fd: number): number {
  recv ??= libc<Transfer>("long recv(int fd, void *buffer, size_t length, int flags)");
  let total = 0;
  for (;;) {
    const n = Number(recv(fd, sink, sink.length, MSG_DONTWAIT));
    if (n === 0) return -1;
    if (n < 0) return lastErrno() === EAGAIN ? total : -1;
    total += n;
    if (n < sink.length) return total;
  }
}

/** Locks an open file. @returns false when another holds it */
export function flockExclusive(fd: number): boolean {
  const call = libc<(fd: number, operation: number) => number>("int flock(int fd, int operation)");
  if (call(fd, LOCK_EX | LOCK_NB) === 0) return true;
  if (lastErrno() === EAGAIN) return false;
  throw sysError("flock");
}
