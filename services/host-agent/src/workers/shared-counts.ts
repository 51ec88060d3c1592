/**
 * Two numbers for each worker, which all threads read: guests of it that are connecting to where
 * another worker's guest may be, and listeners of its guests. A connection that no two workers can
 * have the ends of costs no message: a connect counts itself before the kernel is asked, so an
 * accepted connection of it finds the count.
 */
const CONNECTING = 0;
const LISTENING = 1;
const WORDS = 2;

export class SharedCounts {
  readonly memory: SharedArrayBuffer;
  private readonly words: Int32Array;

  /** @param from the memory of another thread's, or the number of workers */
  constructor(from: SharedArrayBuffer | number) {
    this.memory =
      typeof from === "number"
        ? new SharedArrayBuffer(from * WORDS * Int32Array.BYTES_PER_ELEMENT)
        : from;
    this.words = new Int32Array(this.memory);
  }

  get workers(): number {
    return this.words.length / WORDS;
  }

  /** @returns takes it back; further calls do nothing */
  connecting(worker: number): () => void {
    return this.count(worker * WORDS + CONNECTING);
  }

  listening(worker: number): () => void {
    return this.count(worker * WORDS + LISTENING);
  }

  private count(word: number): () => void {
    Atomics.add(this.words, word, 1);
    let over = false;
    return () => {
      if (!over) Atomics.sub(this.words, word, 1);
      over = true;
    };
  }

  /** `worker` may have the other end of an end of that kind. */
  mayHave(worker: number, otherOf: "connected" | "accepted"): boolean {
    const word = otherOf === "connected" ? LISTENING : CONNECTING;
    return Atomics.load(this.words, worker * WORDS + word) > 0;
  }

  /** A worker other than `own` may have it. */
  elsewhere(own: number, otherOf: "connected" | "accepted"): boolean {
    for (let worker = 0; worker < this.workers; worker++) {
      if (worker !== own && this.mayHave(worker, otherOf)) return true;
    }
    return false;
  }

  /** The worker is gone. */
  clear(worker: number): void {
    for (const word of [CONNECTING, LISTENING]) Atomics.store(this.words, worker * WORDS + word, 0);
  }
}
