/**
 * One connected native socket as a descriptor that never blocks.
 *
 * Receiving: Node reads eagerly into a queue, up to RECEIVE_MAX bytes; then it stops reading, and
 * TCP's own window holds the peer back. Sending: send(2) at once, so the kernel's buffer is the
 * buffer; what it has no room for waits here, at most PENDING_MAX bytes, and Node says when it is
 * gone (there is no other way to learn that a descriptor is writable).
 */
import type { Socket } from "node:net";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  ERRNO,
  errnoOf,
  SHUT_RD,
  SHUT_WR,
} from "@outsock/abi";
import { SysError, sendWithFds } from "@outsock/hostsys";
import { ByteQueue } from "./byte-queue.ts";
import { fdOf } from "./host-network.ts";

const RECEIVE_MAX = 256 * 1024;
const RESUME_AT = RECEIVE_MAX / 2;
const SEND_MAX = 64 * 1024;
const PENDING_MAX = 64 * 1024;
/** How long bytes of a closed socket may wait for a peer that does not read, ms. */
const ORPHAN_TIMEOUT = 30_000;

export class Connection {
  private readonly changed: () => void;
  private socket!: Socket;
  private readonly received = new ByteQueue();
  /** Bytes that the kernel had no room for. */
  private pending = 0;
  private stalled = false;
  /** No byte will come any more: end of the stream, or dead. */
  private ended = false;
  /** No byte can be sent any more. */
  private broken = false;
  private shutRead = false;
  private shutWrite = false;
  private closing = false;
  /** Error for the next call (SO_ERROR), a positive errno. */
  private error = 0;

  /** @param changed called when readiness may have changed */
  constructor(changed: () => void) {
    this.changed = changed;
  }

  /** Gives the socket that this is about; made with `onBytes`. */
  attach(socket: Socket): void {
    this.socket = socket;
    socket.on("end", () => {
      this.ended = true;
      this.tell();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => this.die(errnoOf(error.code)));
    socket.on("close", () => this.die(0));
  }

  readonly onBytes = (data: Uint8Array): boolean => {
    if (this.closing) return false;
    if (!this.shutRead) this.received.push(data);
    this.stalled = this.received.length >= RECEIVE_MAX;
    this.tell();
    return !this.stalled;
  };

  private tell(): void {
    if (!this.closing) this.changed();
  }

  private die(errno: number): void {
    if (errno !== 0) this.error = errno;
    this.ended = true;
    this.broken = true;
    this.pending = 0;
    this.tell();
  }

  get fd(): number {
    return fdOf(this.socket);
  }

  /** True when the connection was ended by an error. */
  get dead(): boolean {
    return this.broken;
  }

  read(target: Uint8Array): number {
    if (this.received.length === 0 || this.shutRead) {
      if (!this.ended && !this.shutRead) return -ERRNO.EAGAIN;
      return this.ended ? (this.takeError() ?? 0) : 0;
    }
    const n = this.received.take(target);
    if (this.stalled && this.received.length <= RESUME_AT) {
      this.stalled = false;
      this.socket.resume();
    }
    return n;
  }

  write(source: Uint8Array): number {
    if (this.broken || this.shutWrite) return this.takeError() ?? -ERRNO.EPIPE;
    if (this.pending > 0) return -ERRNO.EAGAIN;
    let sent = 0;
    while (sent < source.length) {
      const part = source.subarray(sent, sent + SEND_MAX);
      const n = this.sendNow(part);
      if (n < 0 && n !== -ERRNO.EAGAIN) {
        // What was sent counts; the next call tells the error.
        if (sent > 0) return sent;
        this.broken = true;
        return n;
      }
      sent += Math.max(0, n);
      if (n < part.length) break;
    }
    return sent === source.length ? sent : sent + this.keep(source.subarray(sent));
  }

  private sendNow(part: Uint8Array): number {
    try {
      return sendWithFds(this.fd, part, []);
    } catch (error) {
      if (error instanceof SysError) return error.errno;
      throw error;
    }
  }

  /** Keeps the first bytes until the kernel takes them. */
  private keep(rest: Uint8Array): number {
    const kept = Buffer.from(rest.subarray(0, PENDING_MAX));
    this.pending = kept.length;
    this.socket.write(kept, () => {
      this.pending = 0;
      this.tell();
    });
    return kept.length;
  }

  get receiveQueue(): number {
    return this.received.length;
  }

  get sendQueue(): number {
    return this.pending;
  }

  takeError(): number | undefined {
    const { error } = this;
    if (error === 0) return undefined;
    this.error = 0;
    return -error;
  }

  poll(): number {
    let ready = 0;
    if (this.error !== 0) ready |= EPOLLERR;
    if (this.received.length > 0) ready |= EPOLLIN;
    if (this.ended || this.shutRead) ready |= EPOLLIN | EPOLLRDHUP;
    if (this.broken || this.shutWrite || this.pending === 0) ready |= EPOLLOUT;
    if (this.broken || (this.ended && this.shutWrite)) ready |= EPOLLHUP;
    return ready;
  }

  shutdown(how: number): void {
    if (how !== SHUT_RD && !this.shutWrite) {
      this.shutWrite = true;
      if (!this.broken) this.socket.end();
    }
    if (how !== SHUT_WR) {
      this.shutRead = true;
      this.received.clear();
    }
    this.changed();
  }

  /** Closes: what was written is still sent, unless `reset` or bytes were left unread. */
  close(reset: boolean): void {
    this.closing = true;
    const { socket } = this;
    const unread = this.received.length > 0;
    this.received.clear();
    if (socket.destroyed) return;
    if (reset || unread) {
      this.abort();
    } else if (this.pending > 0) {
      // The program stays until the kernel has them.
      socket.ref();
      const orphan = setTimeout(() => this.abort(), ORPHAN_TIMEOUT);
      orphan.unref();
      socket.once("close", () => clearTimeout(orphan));
      socket.destroySoon();
    } else {
      socket.destroy();
    }
  }

  private abort(): void {
    const { socket } = this;
    // A socket with an address is TCP; the others have no reset.
    if (socket.remoteAddress === undefined) socket.destroy();
    else socket.resetAndDestroy();
  }
}
