import type { Clock } from "../clock.ts";

interface WorkQueueOptions {
  clock: Clock;
  /** Does the work for a key; what it throws brings the key back, later and later. */
  work: (key: string) => Promise<void>;
  onError: (key: string, error: unknown) => void;
  workers?: number;
  /** At most so many keys are begun in a second, in the long run; `burst` at once. */
  perSecond?: number;
  burst?: number;
  retryFirstMs?: number;
  retryMostMs?: number;
}

/**
 * Keys to work on. A key is in the queue once however often it is added, is never worked on twice
 * at the same time, and is worked on again when it was added meanwhile.
 */
export class WorkQueue {
  private readonly options: Required<WorkQueueOptions>;
  private readonly waiting = new Set<string>();
  private readonly active = new Set<string>();
  private readonly again = new Set<string>();
  private readonly failures = new Map<string, number>();
  private readonly timers = new Map<string, { due: number; cancel: () => void }>();
  private readonly idle: (() => void)[] = [];
  private tokens: number;
  private filled: number;
  private refill: (() => void) | undefined;
  private running = false;

  constructor(options: WorkQueueOptions) {
    this.options = {
      workers: 2,
      perSecond: 20,
      burst: 50,
      retryFirstMs: 500,
      retryMostMs: 5 * 60_000,
      ...options,
    };
    this.tokens = this.options.burst;
    this.filled = options.clock.now();
  }

  start(): void {
    this.running = true;
    this.pump();
  }

  /** Begins nothing any more; resolves when what had begun has ended. */
  async stop(): Promise<void> {
    this.running = false;
    for (const { cancel } of this.timers.values()) cancel();
    this.timers.clear();
    this.refill?.();
    this.refill = undefined;
    this.waiting.clear();
    this.again.clear();
    this.failures.clear();
    if (this.active.size > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  add(key: string): void {
    if (!this.running) return;
    if (this.active.has(key)) this.again.add(key);
    else this.waiting.add(key);
    this.pump();
  }

  /** Adds the key after `ms`; of several such wishes the soonest counts. */
  addAfter(key: string, ms: number): void {
    if (!this.running) return;
    const due = this.options.clock.now() + ms;
    const planned = this.timers.get(key);
    if (planned) {
      if (planned.due <= due) return;
      planned.cancel();
    }
    const cancel = this.options.clock.after(ms, () => {
      this.timers.delete(key);
      this.add(key);
    });
    this.timers.set(key, { due, cancel });
  }

  get depth(): number {
    return this.waiting.size;
  }

  private pump(): void {
    while (this.running && this.active.size < this.options.workers && this.waiting.size > 0) {
      if (!this.takeToken()) return;
      const key = this.waiting.values().next().value as string;
      this.waiting.delete(key);
      this.active.add(key);
      void this.process(key);
    }
  }

  private async process(key: string): Promise<void> {
    try {
      await this.options.work(key);
      this.failures.delete(key);
    } catch (error) {
      if (this.running) {
        this.options.onError(key, error);
        const failed = this.failures.get(key) ?? 0;
        this.failures.set(key, failed + 1);
        const { retryFirstMs, retryMostMs } = this.options;
        this.addAfter(key, Math.min(retryFirstMs * 2 ** Math.min(failed, 30), retryMostMs));
      }
    } finally {
      this.active.delete(key);
      if (this.again.delete(key) && this.running) this.waiting.add(key);
      this.pump();
      if (this.active.size === 0) for (const wake of this.idle.splice(0)) wake();
    }
  }

  private takeToken(): boolean {
    const { clock, perSecond, burst } = this.options;
    const now = clock.now();
    this.tokens = Math.min(burst, this.tokens + ((now - this.filled) / 1000) * perSecond);
    this.filled = now;
    if (this.tokens >= 1) {
      this.tokens -= 1;
      return true;
    }
    this.refill ??= clock.after(Math.ceil(((1 - this.tokens) / perSecond) * 1000) + 1, () => {
      this.refill = undefined;
      this.pump();
    });
    return false;
  }
}
