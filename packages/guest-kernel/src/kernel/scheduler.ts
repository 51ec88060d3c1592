/**
 * Scheduler of the guest: a thread that blocks in a system call is a parked callback, and runs
 * again when what it waits for is there.
 *
 * Threads run one after the other; between two of them the program's ticks and microtasks run, as
 * they do between two callbacks of libuv. A thread that throws does not keep the others from
 * running: its error is thrown to the program (`uncaughtException`), and the rest runs next turn.
 */
export interface SchedulerOptions {
  /** Runs a function in a later turn of the event loop (setImmediate). */
  defer(turn: () => void): void;
  /** Runs what the program queued (process.nextTick, promises) between two threads. */
  betweenThreads(): void;
}

/** Threads that run in one turn. */
const BATCH = 4096;

export class Scheduler {
  private readonly options: SchedulerOptions;
  private queue: (() => void)[] = [];
  private deferred = false;
  private running = false;

  constructor(options: SchedulerOptions) {
    this.options = options;
  }

  /** Makes a thread runnable. It runs at the next `run()`, at the latest in the next turn. */
  ready(thread: () => void): void {
    this.queue.push(thread);
    if (this.deferred || this.running) return;
    this.deferred = true;
    this.options.defer(() => {
      this.deferred = false;
      this.run();
    });
  }

  /** Runs the threads that are runnable now. Called from the event loop, never from a thread. */
  run(): void {
    if (this.running || this.queue.length === 0) return;
    this.running = true;
    let done = 0;
    try {
      // Threads that become runnable meanwhile run too, up to a bound: the program's timers and
      // its other I/O get their turn.
      while (done < this.queue.length && done < BATCH) {
        const thread = this.queue[done]!;
        done++;
        thread();
        if (done < this.queue.length) this.options.betweenThreads();
      }
    } finally {
      this.running = false;
      const rest = this.queue.slice(done);
      this.queue = [];
      for (const thread of rest) this.ready(thread);
    }
  }
}
