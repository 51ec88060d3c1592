/**
 * Single-producer single-consumer ring of bytes in shared memory.
 *
 * Theory of operation. Producer and consumer each own one index (tail, head): free-running 32-bit
 * counters of bytes, so `tail - head` is the fill and the position is `index & (window - 1)`, the
 * window being the part of the ring that is in use (ring-window.ts).
 * Each side keeps its own index privately and publishes it with a sequentially consistent store
 * after the bytes have moved; it snapshots the peer's index once for each operation and validates
 * it before use, because the peer may be hostile: a fill beyond the window throws
 * `RingCorrupted` and nothing else is touched.
 *
 * Waiting for space. A producer that finds too little room stores the number of bytes it waits for
 * in the `want` word and looks again; a consumer looks at `want` after it published its head. One
 * of the two therefore sees the other (Dekker), so no wake-up is lost.
 */
import {
  type GrownRing,
  type GrownRings,
  WINDOW_STEP,
  WINDOWS,
  type WindowPolicy,
  windowOf,
} from "./ring-window.ts";

export class RingCorrupted extends Error {
  readonly code = "ERR_OUTSOCK_RING_CORRUPTED";
}

/** Where a ring lies: word indexes of its control words, byte offset and size of its data. */
export interface RingPlace {
  tailWord: number;
  headWord: number;
  wantWord: number;
  /** Where the producer says its window; without it, the window is the whole capacity. */
  windowWord?: number;
  offset: number;
  /** Bytes, a power of two. */
  capacity: number;
  /** Least window that a peer may say, WINDOW_MIN_BYTES unless told. */
  windowLeast?: number;
}

/** The views of one mapping. */
export interface SharedMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

/** Contiguous bytes of a ring: `bytes.subarray(offset, offset + length)` of the mapping. */
export interface Span {
  offset: number;
  length: number;
}

export interface ProducerOptions {
  /** Uses windows (version 2 of the protocol on): `true` for `WINDOWS`. Default: the whole capacity. */
  windows?: boolean | WindowPolicy;
  /** Told when the window grew, so that a ring that rests is shrunk. */
  grown?: GrownRings;
  /** Bytes of the mapping that the ring does not use any more: their pages may be given back. */
  onShrink?: (offset: number, length: number) => void;
}

function fillOf(tail: number, head: number, window: number): number {
  const fill = (tail - head) | 0;
  if (fill < 0 || fill > window) {
    throw new RingCorrupted(`ring fill ${fill} is outside 0..${window}`);
  }
  return fill;
}

abstract class Side {
  protected readonly words: Int32Array;
  protected readonly bytes: Uint8Array;
  protected readonly place: RingPlace;
  /** The most that the ring ever holds. */
  readonly capacity: number;
  /** What it holds now: a power of two up to the capacity. */
  window: number;
  /** This side's own index. */
  protected index: number;

  constructor(memory: SharedMemory, place: RingPlace, ownWord: number) {
    const { capacity, offset } = place;
    if (capacity <= 0 || (capacity & (capacity - 1)) !== 0) {
      throw new RangeError(`ring capacity ${capacity} is not a power of two`);
    }
    if (offset < 0 || offset + capacity > memory.bytes.length) {
      throw new RangeError(`ring ${offset}+${capacity} lies outside the region`);
    }
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.place = place;
    this.capacity = capacity;
    this.window = capacity;
    this.index = Atomics.load(memory.words, ownWord);
  }
}

export class RingProducer extends Side implements GrownRing {
  private readonly options: ProducerOptions;
  private readonly policy: WindowPolicy | undefined;
  /** Where the span that was handed out ahead lies, and how long it is; 0 when none is. */
  private spanOffset = 0;
  private spanLength = 0;
  /** Head that was seen last, and the largest fill since the ring was seen empty. */
  private seenHead: number;
  private peak = 0;
  /** Since the window changed: waits for room, and calm emptyings in a row. */
  private waits = 0;
  private calm = 0;
  /** Index at the last `trim()`. */
  private trimIndex: number;

  /** - With windows: nobody has put bytes in the ring yet. */
  constructor(memory: SharedMemory, place: RingPlace, options: ProducerOptions = {}) {
    super(memory, place, place.tailWord);
    this.options = options;
    this.seenHead = this.index;
    this.trimIndex = this.index;
    const { windows } = options;
    if (!windows || place.windowWord === undefined) return;
    this.policy = windows === true ? WINDOWS : windows;
    if (this.policy.least >= this.capacity) return;
    this.window = this.policy.least;
    Atomics.store(this.words, place.windowWord, 31 - Math.clz32(this.window));
  }

  /** Bytes that fit now. @throws RingCorrupted */
  free(): number {
    return this.room(0);
  }

  /** Bytes that the consumer has not read yet. @throws RingCorrupted */
  fill(): number {
    return fillOf(this.index, Atomics.load(this.words, this.place.headWord), this.window);
  }

  /**
   * Like `free()`, and when fewer than `want` bytes fit, asks the consumer to notify as soon as
   * they do, or, where `want` is beyond the window, as soon as the ring is empty.
   * - `want` is at most the capacity; what waits for `window / 2` leaves the consumer something to do.
   * @throws RingCorrupted
   */
  freeOrWait(want: number): number {
    let free = this.room(want);
    if (free >= want) return free;
    const { window, words } = this;
    // A ring that is to grow has to be empty.
    const ask = this.grows() ? window : Math.min(want, window);
    Atomics.store(words, this.place.wantWord, ask);
    free = this.room(want);
    if (free >= want) Atomics.store(words, this.place.wantWord, 0);
    return free;
  }

  /** Counts a wait for room. @returns true when the ring is to grow */
  private grows(): boolean {
    const { policy } = this;
    if (policy === undefined || this.window >= this.most()) return false;
    if (this.waits < policy.growAfter) this.waits++;
    return this.waits >= policy.growAfter;
  }

  private most(): number {
    return Math.min(this.capacity, this.policy?.most ?? this.capacity);
  }

  /** Bytes that fit; an empty ring may change its window, but not to one with less than `want`. */
  private room(want: number): number {
    const head = Atomics.load(this.words, this.place.headWord);
    const fill = fillOf(this.index, head, this.window);
    this.seenHead = head;
    if (fill === 0 && this.policy !== undefined) this.emptied(this.policy, want);
    return this.window - fill;
  }

  private emptied(policy: WindowPolicy, want: number): void {
    const { window } = this;
    if (want > window || this.waits >= policy.growAfter) {
      let next = window * WINDOW_STEP;
      while (next < want) next *= WINDOW_STEP;
      // What does not fit in `most` is wanted all the same.
      next = Math.min(next, want > this.most() ? this.capacity : this.most());
      if (next > window) {
        this.change(next);
        return;
      }
    }
    if (this.peak === 0) return;
    const calm = this.peak <= window / 4;
    this.peak = 0;
    if (!calm) {
      this.calm = 0;
      return;
    }
    this.waits = 0;
    if (window <= policy.least || ++this.calm < policy.shrinkAfter) return;
    const next = Math.max(policy.least, window / WINDOW_STEP);
    if (next >= want && next >= this.spanLength) this.change(next);
  }

  /** - The ring is empty, and the span that is handed out fits in `window`. */
  private change(window: number): void {
    const { place, window: before } = this;
    const { grown, onShrink } = this.options;
    this.window = window;
    this.waits = 0;
    this.calm = 0;
    this.peak = 0;
    Atomics.store(this.words, place.windowWord!, 31 - Math.clz32(window));
    if (window > before) grown?.add(this);
    else onShrink?.(place.offset + window, before - window);
  }

  trim(): boolean {
    const { policy, trimIndex } = this;
    if (policy === undefined || this.window <= policy.least) return true;
    this.trimIndex = this.index;
    if (trimIndex !== this.index) return false;
    // Not validated: a hostile head can only say that the ring is not empty.
    if (Atomics.load(this.words, this.place.headWord) !== this.index) return false;
    let next = policy.least;
    while (next < this.spanLength) next *= 2;
    if (next < this.window) this.change(next);
    return next === policy.least;
  }

  /** The ring's place is another's from now on: no sweep comes to it. */
  close(): void {
    this.options.grown?.remove(this);
  }

  /**
   * The next contiguous span of at most `max` free bytes, ignoring how many are free.
   * - Until they are committed nothing else is written. The window may change meanwhile: bytes
   *   that came to lie in the wrong place are moved by `commit()`.
   */
  spanAhead(max: number): Span {
    const at = this.index & (this.window - 1);
    this.spanOffset = this.place.offset + at;
    this.spanLength = Math.min(max, this.window - at);
    return { offset: this.spanOffset, length: this.spanLength };
  }

  /**
   * Publishes `length` bytes that the caller has put at the start of the free space.
   * - The caller knows from `free()` that they fit.
   */
  commit(length: number): void {
    if (this.spanLength > 0) this.settle(length);
    this.index = (this.index + length) | 0;
    const fill = (this.index - this.seenHead) | 0;
    if (fill > this.peak) this.peak = fill;
    Atomics.store(this.words, this.place.tailWord, this.index);
  }

  /** Moves bytes of a span that was handed out under another window to where they belong. */
  private settle(length: number): void {
    this.spanLength = 0;
    const { bytes, spanOffset, window } = this;
    const base = this.place.offset;
    const at = this.index & (window - 1);
    if (spanOffset === base + at && at + length <= window) return;
    // Old and new place do not overlap: both windows are powers of two that start at `base`.
    const first = Math.min(length, window - at);
    if (spanOffset !== base + at) bytes.copyWithin(base + at, spanOffset, spanOffset + first);
    if (length > first) bytes.copyWithin(base, spanOffset + first, spanOffset + length);
  }

  /** Copies as much of `source` as fits. @returns bytes copied. @throws RingCorrupted */
  write(source: Uint8Array): number {
    const length = Math.min(source.length, this.room(Math.min(source.length, this.window)));
    if (length === 0) return 0;
    this.put(source, length, 0);
    this.commit(length);
    return length;
  }

  /**
   * Copies all chunks and publishes once.
   * - The caller knows from `free()` that they fit.
   */
  writeAll(...chunks: readonly Uint8Array[]): void {
    let length = 0;
    for (const chunk of chunks) {
      this.put(chunk, chunk.length, length);
      length += chunk.length;
    }
    this.commit(length);
  }

  private put(source: Uint8Array, length: number, ahead: number): void {
    const at = (this.index + ahead) & (this.window - 1);
    const first = Math.min(length, this.window - at);
    const base = this.place.offset;
    if (first === source.length) {
      this.bytes.set(source, base + at);
    } else {
      this.bytes.set(source.subarray(0, first), base + at);
      if (length > first) this.bytes.set(source.subarray(first, length), base);
    }
  }
}

export class RingConsumer extends Side {
  /** Tail that was seen last. */
  private seenTail: number;

  constructor(memory: SharedMemory, place: RingPlace) {
    super(memory, place, place.headWord);
    this.seenTail = this.index;
  }

  /** Bytes that can be read now. @throws RingCorrupted */
  available(): number {
    const tail = Atomics.load(this.words, this.place.tailWord);
    // The tail before the window: the producer stores them the other way round.
    if (this.seenTail === this.index && tail !== this.index) this.takeWindow();
    const fill = fillOf(tail, this.index, this.window);
    this.seenTail = tail;
    return fill;
  }

  private takeWindow(): void {
    const { capacity, windowLeast, windowWord } = this.place;
    if (windowWord === undefined) return;
    const word = Atomics.load(this.words, windowWord);
    const window = windowOf(word, capacity, windowLeast);
    if (window === undefined) {
      throw new RingCorrupted(`ring window 2^${word} is no part of ${capacity} bytes`);
    }
    this.window = window;
  }

  /** The first contiguous span of at most `max` readable bytes; length 0 when there is none. */
  peek(max: number): Span {
    const available = this.available();
    const at = this.index & (this.window - 1);
    return {
      offset: this.place.offset + at,
      length: Math.min(available, max, this.window - at),
    };
  }

  /**
   * Gives `length` bytes back to the producer.
   * - The caller has seen them in `available()`, and nothing reads them any more.
   * @returns true when the producer waits for the space that there is now: notify it.
   */
  consume(length: number): boolean {
    this.index = (this.index + length) | 0;
    Atomics.store(this.words, this.place.headWord, this.index);
    const want = Atomics.load(this.words, this.place.wantWord);
    if (want === 0) return false;
    const tail = Atomics.load(this.words, this.place.tailWord);
    // A hostile `want` or tail only changes when its own writer is woken.
    if (this.window - ((tail - this.index) | 0) < want) return false;
    return Atomics.exchange(this.words, this.place.wantWord, 0) !== 0;
  }

  /** Copies `length` bytes, `ahead` of the read position, to `target`, without consuming them. */
  copyOut(target: Uint8Array, targetOffset: number, length: number, ahead = 0): void {
    const at = (this.index + ahead) & (this.window - 1);
    const first = Math.min(length, this.window - at);
    const base = this.place.offset;
    target.set(this.bytes.subarray(base + at, base + at + first), targetOffset);
    if (length > first) {
      target.set(this.bytes.subarray(base, base + length - first), targetOffset + first);
    }
  }
}
