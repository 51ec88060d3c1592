/**
 * Event queue: a ring of socket numbers in shared memory, with the event mask of each socket in
 * its control block.
 *
 * Theory of operation. A notifier ORs its bits into the socket's pending word and pushes the
 * socket only if that word was 0; the taker pops a socket and exchanges its pending word for 0
 * before it looks at any ring. A socket is therefore in the queue at most once, a queue with as
 * many places as there are sockets cannot overflow, and bits that come while an entry waits are
 * merged into it. An honest peer cannot break this; a hostile one is caught by the bounds below.
 */
import { RingCorrupted, type SharedMemory } from "./stream-ring.ts";

export interface QueuePlace {
  tailWord: number;
  headWord: number;
  /** Word index of the first entry. */
  firstWord: number;
  /** Entries, a power of two, at least the number of sockets. */
  capacity: number;
  /** Word index of socket 0's pending word, and words from one socket's to the next one's. */
  pendingWord: number;
  pendingStride: number;
  sockets: number;
}

export class EventNotifier {
  private readonly words: Int32Array;
  private readonly place: QueuePlace;
  private tail: number;

  constructor(memory: SharedMemory, place: QueuePlace) {
    this.words = memory.words;
    this.place = place;
    this.tail = Atomics.load(memory.words, place.tailWord);
  }

  /**
   * Tells the peer of `events` on `socket`.
   * - `events` is not 0: an entry without a bit in its pending word could be queued twice.
   * @throws RingCorrupted when the peer broke the queue
   */
  notify(socket: number, events: number): void {
    const { place, words } = this;
    const pending = place.pendingWord + socket * place.pendingStride;
    if (Atomics.or(words, pending, events) !== 0) return;
    const fill = (this.tail - Atomics.load(words, place.headWord)) | 0;
    if (fill < 0 || fill >= place.capacity) {
      throw new RingCorrupted(`event queue fill ${fill} is outside 0..${place.capacity - 1}`);
    }
    Atomics.store(words, place.firstWord + (this.tail & (place.capacity - 1)), socket);
    this.tail = (this.tail + 1) | 0;
    Atomics.store(words, place.tailWord, this.tail);
  }

  /** True when the peer has taken everything (a hint: the peer's word is not validated). */
  empty(): boolean {
    return Atomics.load(this.words, this.place.headWord) === this.tail;
  }
}

export class EventTaker {
  private readonly words: Int32Array;
  private readonly place: QueuePlace;
  private head: number;
  /** Event mask of the socket that `take()` returned last. */
  events = 0;

  constructor(memory: SharedMemory, place: QueuePlace) {
    this.words = memory.words;
    this.place = place;
    this.head = Atomics.load(memory.words, place.headWord);
  }

  empty(): boolean {
    return Atomics.load(this.words, this.place.tailWord) === this.head;
  }

  /**
   * Next socket with events (in `events`), or -1.
   * - `events` is a hint that may be stale (a number used again), 0 or hold unknown bits; the rings
   *   and the flag words say what is so.
   * - A hostile peer can refill the queue for ever: bound the turns of a loop around this.
   * @throws RingCorrupted
   */
  take(): number {
    const { place, words } = this;
    const fill = (Atomics.load(words, place.tailWord) - this.head) | 0;
    if (fill === 0) return -1;
    if (fill < 0 || fill > place.capacity) {
      throw new RingCorrupted(`event queue fill ${fill} is outside 0..${place.capacity}`);
    }
    const socket = Atomics.load(words, place.firstWord + (this.head & (place.capacity - 1)));
    if (socket < 0 || socket >= place.sockets) {
      throw new RingCorrupted(`event queue names socket ${socket} of ${place.sockets}`);
    }
    this.head = (this.head + 1) | 0;
    Atomics.store(words, place.headWord, this.head);
    this.events = Atomics.exchange(words, place.pendingWord + socket * place.pendingStride, 0);
    return socket;
  }
}
