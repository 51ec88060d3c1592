/**
 * The part of a ring that is in use: its window.
 *
 * A ring keeps its place for life, but bytes go round in a window at its start, small at first:
 * position = index mod window. A small window stays in the processor's caches and touches few
 * pages; a large one lets a bulk transfer run ahead.
 *
 * Only the producer changes the window, only when it sees the ring empty (head = tail), and it
 * stores the window's word before the tail of the next bytes. A consumer reads the word when it
 * finds bytes in a ring that it had emptied. Until it has consumed all of these the producer sees
 * no empty ring, so both use one window wherever there are bytes. The word is log2 of the window,
 * 0 for the whole capacity.
 *
 * Growing: a producer that waited for room several times asks to be told when all is read, and
 * grows then. Shrinking: it needed a quarter at most for many emptyings in a row, or a sweep
 * finds the ring unused (`GrownRings`).
 */
import { WINDOW_MIN_BYTES } from "@outsock/abi";

export interface WindowPolicy {
  /** First window, and the least it shrinks to; a power of two. */
  least: number;
  /** The window does not grow beyond; a power of two. */
  most: number;
  /** Waits for room, with no calm emptying between them, after which it grows. */
  growAfter: number;
  /** Calm emptyings (a quarter of the window used at most) in a row after which it shrinks. */
  shrinkAfter: number;
}

/** Measured with `test/cost.mjs`. */
export const WINDOWS: WindowPolicy = {
  least: 16 * 1024,
  most: 1024 * 1024,
  growAfter: 2,
  shrinkAfter: 256,
};

/** Windows grow and shrink by this factor. */
export const WINDOW_STEP = 4;

/** Window that a peer's word says; undefined when it says nonsense. */
export function windowOf(
  word: number,
  capacity: number,
  least: number = WINDOW_MIN_BYTES,
): number | undefined {
  if (word === 0) return capacity;
  if (word < 0 || word > 30) return undefined;
  const window = 2 ** word;
  return window < least || window > capacity ? undefined : window;
}

/** What a sweep needs of a ring. */
export interface GrownRing {
  /** Shrinks if the ring was not used since the last call. @returns true when nothing is left to shrink */
  trim(): boolean;
}

/**
 * Rings whose window grew: those that rest are shrunk. Time is passed in.
 * - A ring is closed (`RingProducer.close()`) before its place is given to another, and all are
 *   before the memory goes.
 */
export class GrownRings {
  private readonly rings = new Set<GrownRing>();
  private readonly later: (sweep: () => void) => void;
  private armed = false;

  /** @param later runs a function once, about a second later, without keeping the program alive */
  constructor(later: (sweep: () => void) => void) {
    this.later = later;
  }

  get size(): number {
    return this.rings.size;
  }

  add(ring: GrownRing): void {
    this.rings.add(ring);
    this.arm();
  }

  remove(ring: GrownRing): void {
    this.rings.delete(ring);
  }

  private arm(): void {
    if (this.armed) return;
    this.armed = true;
    this.later(this.sweep);
  }

  private readonly sweep = (): void => {
    this.armed = false;
    for (const ring of this.rings) if (ring.trim()) this.rings.delete(ring);
    if (this.rings.size > 0) this.arm();
  };
}
