/**
 * Bulk in one direction over a connection that stays open: frames of one size, the first byte of
 * the last one set, so that the receiver knows the end without counting along with the sender.
 */
import type { Socket } from "node:net";

const FRAME = 64 * 1024;

const frame = Buffer.alloc(FRAME);
const lastFrame = Buffer.alloc(FRAME);
lastFrame[0] = 1;

/** Sends frames as fast as the socket takes them, for that many seconds. */
export function sendFor(socket: Socket, seconds: number): void {
  const end = performance.now() + seconds * 1000;
  const send = (): void => {
    while (performance.now() < end) {
      if (!socket.write(frame)) {
        socket.once("drain", send);
        return;
      }
    }
    socket.write(lastFrame);
  };
  send();
}

/** Calls back with the bytes received whenever a last frame has come whole. */
export class FrameCounter {
  readonly #onEnd: (bytes: number) => void;
  #bytes = 0;
  #last = false;

  constructor(onEnd: (bytes: number) => void) {
    this.#onEnd = onEnd;
  }

  add(chunk: Buffer): void {
    const position = this.#bytes % FRAME;
    for (let at = position === 0 ? 0 : FRAME - position; at < chunk.length; at += FRAME) {
      if (chunk[at] === 1) this.#last = true;
    }
    this.#bytes += chunk.length;
    if (!this.#last || this.#bytes % FRAME !== 0) return;
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#last = false;
    this.#onEnd(bytes);
  }
}
