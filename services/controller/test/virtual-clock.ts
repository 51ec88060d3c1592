import type { Clock } from "../src/clock.ts";

interface Timer {
  due: number;
  order: number;
  job: () => void;
}

/** Time that passes only when it is told to. */
export class VirtualClock implements Clock {
  private time: number;
  private order = 0;
  private readonly timers = new Set<Timer>();

  constructor(start = Date.parse("2030-01-01T00:00:00Z")) {
    this.time = start;
  }

  now(): number {
    return this.time;
  }

  after(ms: number, job: () => void): () => void {
    const timer = { due: this.time + Math.max(0, ms), order: this.order++, job };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets `ms` pass, timer by timer; what a timer sets off is done before the next one. */
  async advance(ms: number, check: () => void = () => {}): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = [...this.timers]
        .filter(({ due }) => due <= end)
        .sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.due);
      next.job();
      await settle();
      check();
    }
    this.time = end;
  }

  /** Jumps without running anything: for code that is asked, not woken. */
  jump(ms: number): void {
    this.time += ms;
  }
}

/** Lets everything run that waits for no timer and no input. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
