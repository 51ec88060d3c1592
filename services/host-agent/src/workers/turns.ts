/**
 * Asks workers to say when their event loops have made some turns. One question is under way to
 * each worker; whoever asks meanwhile waits for the next one, which starts when that is answered.
 */
interface Asked {
  /** The last question put, the last one answered, and the last one wanted. */
  put: number;
  answered: number;
  wanted: number;
}

export class Turns {
  private readonly workers = new Map<number, Asked>();
  private readonly put: (worker: number, turn: number) => void;

  constructor(put: (worker: number, turn: number) => void) {
    this.put = put;
  }

  /** @returns the question whose answer shows that the worker has made turns since now */
  ask(worker: number): number {
    const asked = this.workers.get(worker) ?? { put: 0, answered: 0, wanted: 0 };
    this.workers.set(worker, asked);
    asked.wanted = asked.put + 1;
    if (asked.put === asked.answered) this.next(worker, asked);
    return asked.wanted;
  }

  private next(worker: number, asked: Asked): void {
    asked.put++;
    this.put(worker, asked.put);
  }

  made(worker: number, turn: number): void {
    const asked = this.workers.get(worker);
    // Of a worker before it.
    if (asked === undefined || turn !== asked.put) return;
    asked.answered = turn;
    if (asked.wanted > asked.put) this.next(worker, asked);
  }

  isMade(worker: number, turn: number): boolean {
    const asked = this.workers.get(worker);
    return asked === undefined || asked.answered >= turn;
  }

  forget(worker: number): void {
    this.workers.delete(worker);
  }
}
