/**
 * Single-producer single-consumer ring of bytes in shared memory.
 *
 * Theory of operation. Producer and consumer each own one index (tail, head): free-running 32-bit
 * counters of bytes, so `tail - head` is the fill and the position is `index & (capacity - 1)`.
 * Each side keeps its own index privately and publishes it with a sequentially consistent store
 * after the bytes have moved; it snapshots the peer's index once for each operation and validates
 * it before use, because the peer may be hostile: a fill beyond the capacity throws
 * `RingCorrupted` and nothing else is touched.
 *
 * Waiting for space. A producer that finds too little room stores the number of bytes it waits for
 * in the `want` word and looks again; a consumer looks at `want` after it published its head. One
 * of the two therefore sees the other (Dekker), so no wake-up is lost.
 */

export class RingCorrupted extends Error {
  readonly code = "ERR_OUTSOCK_RING_CORRUPTED";
}

/** Where a ring lies: word indexes of its control words, byte offset and size of its data. */
export interface RingPlace {
  tailWord: number;
  headWord: number;
  wantWord: number;
  offset: number;
  /** Bytes, a power of two. */
  capacity: number;
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

function fillOf(tail: number, head: number, capacity: number): number {
  const fill = (tail - head) | 0;
  if (fill < 0 || fill > capacity) {
    throw new RingCorrupted(`ring fill ${fill} is outside 0..${capacity}`);
  }
  return fill;
}

abstract class Side {
  protected readonly words: Int32Array;
  protected readonly bytes: Uint8Array;
  protected readonly place: RingPlace;
  readonly capacity: number;
  protected readonly mask: number;
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
    this.mask = capacity - 1;
    this.index = Atomics.load(memory.words, ownWord);
  }
}

export class RingProducer extends Side {
  constructor(memory: SharedMemory, place: RingPlace) {
    super(memory, place, place.tailWord);
  }

  /** Bytes that fit now. @throws RingCorrupted */
  free(): number {
    const head = Atomics.load(this.words, this.place.headWord);
    return this.capacity - fillOf(this.index, head, this.capacity);
  }

  /**
   * Like `free()`, and when fewer than `want` bytes fit, asks the consumer to notify as soon as
   * they do, or, where `want` is beyond the capacity, as soon as the ring is empty.
   * @throws RingCorrupted
   */
  freeOrWait(want: number): number {
    let free = this.free();
    if (free >= want) return free;
    Atomics.store(this.words, this.place.wantWord, Math.min(want, this.capacity));
    free = this.free();
    if (free >= want) Atomics.store(this.words, this.place.wantWord, 0);
    return free;
  }

  /** The next contiguous span of at most `max` free bytes, ignoring how many are free. */
  spanAhead(max: number): Span {
    const offset = this.index & this.mask;
    return {
      offset: this.place.offset + offset,
      length: Math.min(max, this.capacity - offset),
    };
  }

  /**
   * Publishes `length` bytes that the caller has put at the start of the free space.
   * - The caller knows from `free()` that they fit.
   */
  commit(length: number): void {
    this.index = (this.index + length) | 0;
    Atomics.store(this.words, this.place.tailWord, this.index);
  }

  /** Copies as much of `source` as fits. @returns bytes copied. @throws RingCorrupted */
  write(source: Uint8Array): number {
    const length = Math.min(source.length, this.free());
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
    const at = (this.index + ahead) & this.mask;
    const first = Math.min(length, this.capacity - at);
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
  constructor(memory: SharedMemory, place: RingPlace) {
    super(memory, place, place.headWord);
  }

  /** Bytes that can be read now. @throws RingCorrupted */
  available(): number {
    return fillOf(Atomics.load(this.words, this.place.tailWord), this.index, this.capacity);
  }

  /** The first contiguous span of at most `max` readable bytes; length 0 when there is none. */
  peek(max: number): Span {
    const available = this.available();
    const at = this.index & this.mask;
    return {
      offset: this.place.offset + at,
      length: Math.min(available, max, this.capacity - at),
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
    if (this.capacity - ((tail - this.index) | 0) < want) return false;
    return Atomics.exchange(this.words, this.place.wantWord, 0) !== 0;
  }

  /** Copies `length` bytes, `ahead` of the read position, to `target`, without consuming them. */
  copyOut(target: Uint8Array, targetOffset: number, length: number, ahead = 0): void {
    const at = (this.index + ahead) & this.mask;
    const first = Math.min(length, this.capacity - at);
    const base = this.place.offset;
    target.set(this.bytes.subarray(base + at, base + at + first), targetOffset);
    if (length > first) {
      target.set(this.bytes.subarray(base, base + length - first), targetOffset + first);
    }
  }
}
