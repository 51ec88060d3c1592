/**
 * Relays one TCP connection between the kernel and the guest's rings, without a copy of its own.
 *
 * Guest to outside: a span of the tx ring is handed to `socket.write()`, and is consumed when the
 * kernel has taken it. Outside to guest: the kernel reads into the free space of the rx ring.
 *
 * The next span to read into is handed out before it is free (Node asks for it right after a
 * read); reading stops until it is. That is why a span is computed by `spanAhead`, and why reading
 * resumes only when all of it is free.
 */
import type { Socket } from "node:net";
import { EVENT, errnoOf } from "@outsock/abi";
import { RingConsumer, RingProducer } from "@outsock/ring";
import type { AllocatedRings, SessionContext } from "./session-sockets.ts";
import { fdOf, type ReadTarget } from "./tcp-handle.ts";

/** Most bytes of one write and of one read. */
const WRITE_MAX = 512 * 1024;
const READ_MAX = 64 * 1024;
/** How long bytes of a closed socket may wait for a peer that does not read, ms. */
const ORPHAN_TIMEOUT = 30_000;

export class StreamRelay implements ReadTarget {
  private readonly context: SessionContext;
  private readonly id: number;
  private readonly rings: AllocatedRings;
  private readonly tx: RingConsumer;
  private readonly rx: RingProducer;
  private socket: Socket | undefined;
  /** Bytes of the span that was handed out to read into. */
  private handedOut = 0;
  private stalled = false;
  private writing = 0;
  private ended = false;
  private closing = false;
  private dead = false;
  private closed: (() => void) | undefined;
  private orphan: NodeJS.Timeout | undefined;
  /** Bytes relayed, both directions. */
  bytes = 0;

  constructor(context: SessionContext, id: number, rings: AllocatedRings) {
    this.context = context;
    this.id = id;
    this.rings = rings;
    this.tx = new RingConsumer(context.memory, rings.tx);
    this.rx = new RingProducer(context.memory, rings.rx, context.windows);
  }

  /** Closed, or dead. */
  get ending(): boolean {
    return this.closing || this.dead;
  }

  /** Knows a socket that does not read yet, so that closing can end it. */
  connecting(socket: Socket): void {
    this.socket = socket;
    socket.once("close", () => this.finished());
  }

  /** Takes over a connected socket. */
  start(socket: Socket): void {
    this.attach(socket);
    socket.read(0);
    this.context.guard(() => this.pump());
  }

  /** Listens to a connected socket. */
  attach(socket: Socket): void {
    this.socket = socket;
    socket.on("end", () => {
      if (!this.dead && !this.closing) this.context.finish(this.id);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => this.die(errnoOf(error.code)));
    socket.on("close", () => this.finished());
  }

  // ReadTarget: outside to guest.

  buffer(): Uint8Array {
    const span = this.rx.spanAhead(READ_MAX);
    this.handedOut = span.length;
    return this.context.memory.bytes.subarray(span.offset, span.offset + span.length);
  }

  filled(length: number): boolean {
    if (this.closing || this.dead) return false;
    let more = false;
    this.context.guard(() => {
      this.rx.commit(length);
      this.bytes += length;
      this.context.notify(this.id, EVENT.DATA);
      const next = this.rx.spanAhead(READ_MAX).length;
      more = this.rx.freeOrWait(next) >= next;
    });
    this.stalled = !more;
    return more;
  }

  // Guest to outside.

  onEvents(events: number): void {
    if (this.dead) return;
    if (events & (EVENT.DATA | EVENT.FIN)) this.pump();
    if (events & EVENT.SPACE && this.stalled && !this.closing) {
      if (this.rx.freeOrWait(this.handedOut) >= this.handedOut) {
        this.stalled = false;
        this.socket?.resume();
      }
    }
  }

  private pump(): void {
    const { socket } = this;
    if (socket === undefined || socket.connecting || this.writing > 0 || this.dead || this.ended) {
      return;
    }
    // The flag is read before the ring: what was written before it was set is seen.
    const finished = this.closing || this.context.guestFinished(this.id);
    const span = this.tx.peek(WRITE_MAX);
    if (span.length === 0) {
      if (!finished) return;
      this.ended = true;
      if (this.closing) socket.destroySoon();
      else socket.end();
      return;
    }
    this.writing = span.length;
    const { bytes } = this.context.memory;
    socket.write(bytes.subarray(span.offset, span.offset + span.length), this.written);
  }

  private readonly written = (error?: Error | null): void => {
    const length = this.writing;
    this.writing = 0;
    if (error || this.dead) return;
    this.context.guard(() => {
      this.bytes += length;
      if (this.tx.consume(length) && !this.closing) this.context.notify(this.id, EVENT.SPACE);
      this.pump();
    });
  };

  /** True when the guest has not read all that came: closing then resets, as close(2) does. */
  private unread(): boolean {
    return this.rx.fill() > 0;
  }

  fd(): number {
    return this.socket === undefined ? -1 : fdOf(this.socket);
  }

  close(reset: boolean, closed: () => void): void {
    this.closed = closed;
    this.closing = true;
    const { socket } = this;
    if (socket === undefined || socket.destroyed) {
      if (socket === undefined || socket.closed) this.finished();
      return;
    }
    let abort = reset || socket.connecting;
    this.context.guard(() => {
      abort ||= this.unread();
    });
    if (abort) {
      this.abort(socket);
      return;
    }
    socket.pause();
    this.orphan = setTimeout(() => this.abort(socket), ORPHAN_TIMEOUT);
    this.orphan.unref();
    if (this.ended) socket.destroySoon();
    else this.context.guard(() => this.pump());
  }

  /** The connection goes another way: gives the rings back once libuv is done with them. */
  abandon(): void {
    const { socket } = this;
    this.dead = true;
    this.closed = () => {};
    if (socket === undefined || socket.closed) this.finished();
    else socket.destroy();
  }

  private abort(socket: Socket): void {
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }

  private die(errno: number): void {
    if (this.dead) return;
    this.dead = true;
    if (!this.closing) this.context.reset(this.id, errno);
  }

  private finished(): void {
    clearTimeout(this.orphan);
    this.dead = true;
    const { closed } = this;
    if (closed === undefined) return;
    this.closed = undefined;
    this.rx.close();
    this.rings.release();
    closed();
  }
}
