/**
 * A stream descriptor as a socket object uses it: reading switched on and off, writes that
 * complete, and whether it keeps the program alive. It is to `GuestSocket` what libuv's TCP handle
 * is to Node's `net.Socket`.
 */
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  ERRNO,
  SHUT_WR,
  SO_ERROR,
  SOL_SOCKET,
} from "@outsock/abi";
import type { SocketAddress } from "../net/protocol-family.ts";
import type { EventLoop, FdHandler } from "./event-loop.ts";

export interface StreamOwner {
  /** Memory for the next bytes; undefined = as many as there are. */
  nextBuffer(): Uint8Array | undefined;
  /** Bytes came. @returns false to stop reading */
  onRead(data: Uint8Array): boolean;
  /** The end (0) or an error (negative errno). */
  onReadEnd(status: number): void;
}

/** Most bytes of one read, and reads for one event, as libuv's. */
const READ_MAX = 65536;
const READS = 32;
/** A read of fewer bytes ends the turn; a bulk transfer goes on. */
const READ_SHORT = 16384;

export class StreamHandle implements FdHandler {
  readonly fd: number;
  private readonly loop: EventLoop;
  private readonly owner: StreamOwner;
  reading = false;
  private readScheduled = false;
  private refed = true;
  private held = false;
  private pending: { chunks: Uint8Array[]; done: (status: number) => void } | undefined;
  private connectDone: ((status: number) => void) | undefined;
  private readEnded = false;
  private closed = false;
  bytesRead = 0;

  constructor(loop: EventLoop, fd: number, owner: StreamOwner) {
    this.loop = loop;
    this.fd = fd;
    this.owner = owner;
    loop.add(fd, this);
  }

  // Alive while it is referenced and does something, as a libuv handle.

  private updateHold(): void {
    const active =
      this.refed &&
      !this.closed &&
      ((this.reading && !this.readEnded) ||
        this.pending !== undefined ||
        this.connectDone !== undefined);
    if (active === this.held) return;
    this.held = active;
    if (active) this.loop.host.hold();
    else this.loop.host.release();
  }

  ref(): void {
    this.refed = true;
    this.updateHold();
  }

  unref(): void {
    this.refed = false;
    this.updateHold();
  }

  hasRef(): boolean {
    return this.refed;
  }

  // Connecting

  /** @returns 0, or a negative errno at once; `done` comes later */
  connect(address: SocketAddress, done: (status: number) => void): number {
    const result = this.loop.sys.connect(this.fd, address);
    if (result !== 0 && result !== -ERRNO.EINPROGRESS) return result;
    this.connectDone = done;
    this.updateHold();
    if (result === 0) this.loop.host.defer(() => this.finishConnect());
    return 0;
  }

  private finishConnect(): void {
    const done = this.connectDone;
    if (done === undefined) return;
    this.connectDone = undefined;
    this.updateHold();
    done(-this.loop.sys.getsockopt(this.fd, SOL_SOCKET, SO_ERROR).value);
  }

  // Reading

  readStart(): void {
    if (this.reading) return;
    this.reading = true;
    this.updateHold();
    // As with libuv, bytes come in a later turn, never within the call.
    this.readLater();
  }

  private readLater(): void {
    if (this.readScheduled || !this.loop.sys.readable(this.fd)) return;
    this.readScheduled = true;
    this.loop.later(() => {
      this.readScheduled = false;
      this.readAll();
    });
  }

  readStop(): void {
    this.reading = false;
    this.updateHold();
  }

  private readAll(): void {
    const { sys } = this.loop;
    for (let reads = 0; this.reading && !this.closed && !this.readEnded; reads++) {
      if (reads === READS) {
        // The rest in the next turn: others are served too.
        this.readLater();
        return;
      }
      const given = this.owner.nextBuffer();
      const buffer =
        given ?? Buffer.allocUnsafe(Math.min(READ_MAX, Math.max(1, sys.available(this.fd))));
      const n = sys.read(this.fd, buffer);
      if (n === -ERRNO.EAGAIN) return;
      if (n <= 0) {
        this.readEnded = true;
        this.updateHold();
        this.owner.onReadEnd(n);
        return;
      }
      this.bytesRead += n;
      if (!this.owner.onRead(n === buffer.length ? buffer : buffer.subarray(0, n))) this.readStop();
      if (n < READ_SHORT && given === undefined) {
        // As libuv after a short read: what is there now, the end too, comes in a later turn.
        if (this.reading && !this.closed) this.readLater();
        return;
      }
      this.loop.host.tick();
    }
  }

  // Writing

  /**
   * Writes all chunks. `done` gets 0 or a negative errno: within the call when the kernel took
   * everything at once, as libuv's `uv_try_write`.
   */
  write(chunks: Uint8Array[], done: (status: number) => void): void {
    const status = this.writeNow(chunks);
    if (status !== undefined) {
      done(status);
      return;
    }
    this.pending = { chunks, done };
    this.updateHold();
  }

  /** @returns undefined when some of it must wait */
  private writeNow(chunks: Uint8Array[]): number | undefined {
    const { sys } = this.loop;
    while (chunks.length > 0) {
      const n = chunks.length === 1 ? sys.write(this.fd, chunks[0]!) : sys.writev(this.fd, chunks);
      if (n === -ERRNO.EAGAIN) return undefined;
      if (n < 0) return n;
      let left = n;
      while (chunks.length > 0 && left >= chunks[0]!.length) left -= chunks.shift()!.length;
      if (left > 0) chunks[0] = chunks[0]!.subarray(left);
    }
    return 0;
  }

  private continueWrite(): void {
    const { pending } = this;
    if (pending === undefined) return;
    const status = this.writeNow(pending.chunks);
    if (status === undefined) return;
    this.pending = undefined;
    this.updateHold();
    pending.done(status);
  }

  /** Bytes that wait for room. */
  get writeQueueSize(): number {
    return this.pending?.chunks.reduce((sum, chunk) => sum + chunk.length, 0) ?? 0;
  }

  shutdown(): number {
    return this.loop.sys.shutdown(this.fd, SHUT_WR);
  }

  // Events

  onEvents(events: number): void {
    if (this.closed) return;
    if (this.connectDone !== undefined) {
      if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) this.finishConnect();
      if (this.closed) return;
    }
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) this.continueWrite();
    if (this.closed || !this.reading || this.readScheduled) return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) this.readAll();
  }

  /** @param reset sends a reset. `done` comes in a later turn, as libuv's close callback */
  close(reset: boolean, done: () => void): void {
    if (this.closed) return;
    this.closed = true;
    const { pending, loop } = this;
    this.pending = undefined;
    this.connectDone = undefined;
    this.updateHold();
    loop.remove(this.fd);
    if (reset) loop.sys.setLingerReset(this.fd);
    loop.sys.close(this.fd);
    loop.host.hold();
    loop.host.defer(() => {
      loop.host.release();
      pending?.done(-ERRNO.ECANCELED);
      done();
    });
  }
}
