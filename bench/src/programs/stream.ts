/**
 * Bulk in one direction over a connection that stays open: frames of one size, the first byte of
 * the last one set, so that the receiver knows the end without counting along with the sender.
 */
import type { Socket } from "node:net";

/** The clock is read once for so many bytes: it costs as much as writing a small frame. */
const BYTES_A_LOOK = 64 * 1024;

/** Sends frames of one size, each in a write of its own, as fast as the socket takes them. */
export class FrameSender {
  readonly #socket: Socket;
  readonly #frame: Buffer;
  readonly #last: Buffer;

  constructor(socket: Socket, bytes: number) {
    this.#socket = socket;
    this.#frame = Buffer.alloc(bytes);
    this.#last = Buffer.alloc(bytes);
    this.#last[0] = 1;
  }

  sendFor(seconds: number): void {
    const socket = this.#socket;
    const frame = this.#frame;
    const framesALook = Math.max(1, Math.floor(BYTES_A_LOOK / frame.length));
    const end = performance.now() + seconds * 1000;
    const send = (): void => {
      while (performance.now() < end) {
        for (let i = 0; i < framesALook; i++) {
          if (socket.write(frame)) continue;
          socket.once("drain", send);
          return;
        }
      }
      socket.write(this.#last);
    };
    send();
  }
}

/** Calls back with the bytes received whenever a last frame has come whole. */
export class FrameCounter {
  readonly #frame: number;
  readonly #onEnd: (bytes: number) => void;
  #bytes = 0;
  #last = false;

  constructor(frame: number, onEnd: (bytes: number) => void) {
    this.#frame = frame;
    this.#onEnd = onEnd;
  }

  add(chunk: Buffer): void {
    const frame = this.#frame;
    const position = this.#bytes % frame;
    for (let at = position === 0 ? 0 : frame - position; at < chunk.length; at += frame) {
      if (chunk[at] === 1) this.#last = true;
    }
    this.#bytes += chunk.length;
    if (!this.#last || this.#bytes % frame !== 0) return;
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#last = false;
    this.#onEnd(bytes);
  }
}
