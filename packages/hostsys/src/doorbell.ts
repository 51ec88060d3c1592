/**
 * Bytes that wake the peer: send(2), recv(2). The hot path: one prototype each, looked up once,
 * memory that stays; what is left is the system call and some 30 ns of koffi.
 */
import { ERRNO, lastErrno, libc } from "./libc.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;
/** More than a unix socket's default buffer holds as single bytes (278 of them). */
const SINK_BYTES = 4096;
/** A peer that never stops sending must not hold the thread. */
const DRAIN_TURNS = 16;

type Transfer = (fd: number, buffer: Uint8Array, length: number, flags: number) => number;

const byte = new Uint8Array(new ArrayBuffer(1)).fill(1);
const sink = new Uint8Array(new ArrayBuffer(SINK_BYTES));
let send: Transfer | undefined;
let recv: Transfer | undefined;

/**
 * Sends one byte to a socket without waiting and without SIGPIPE. Never throws.
 * @returns true when it was sent, or when there is no room (EAGAIN): then the peer has bytes
 *   waiting and wakes anyway; false when the peer is gone (EPIPE, EBADF or any other error)
 */
export function sendByte(fd: number): boolean {
  send ??= libc<Transfer>("long send(int fd, const void *buffer, size_t length, int flags)");
  return send(fd, byte, 1, SEND_FLAGS) === 1 || lastErrno() === ERRNO.EAGAIN;
}

/**
 * Takes the bytes that wait, without waiting, 64 KiB at most. Never throws.
 * @returns how many; -1 when none are left and the peer is gone (end or any error)
 */
export function drainBytes(fd: number): number {
  recv ??= libc<Transfer>("long recv(int fd, void *buffer, size_t length, int flags)");
  let total = 0;
  for (let turn = 0; turn < DRAIN_TURNS; turn++) {
    const n = recv(fd, sink, SINK_BYTES, MSG_DONTWAIT);
    if (n <= 0) {
      if (total > 0 || (n < 0 && lastErrno() === ERRNO.EAGAIN)) return total;
      return -1;
    }
    total += n;
    // A stream socket gives less than was asked for only when it is empty.
    if (n < SINK_BYTES) return total;
  }
  return total;
}
