/** A guest for tests: a kernel on the loopback family, and its event loop. */

import { Kernel, Syscalls } from "../src/index.ts";
import { EventLoop } from "../src/node-compat/event-loop.ts";
import { LoopbackFamily } from "./loopback-family.ts";

interface Armed {
  at: number;
  fire(): void;
}

export class TestGuest {
  readonly network = new LoopbackFamily();
  readonly kernel: Kernel;
  readonly sys: Syscalls;
  readonly loop: EventLoop;
  /** Holds minus releases. */
  held = 0;
  /** Every value that `held` had. */
  readonly holds: number[] = [];
  private now = 0;
  private timers: Armed[] = [];

  constructor(hostname = "web-1") {
    const defer = (turn: () => void): void => {
      setImmediate(turn);
    };
    this.kernel = new Kernel({
      hostname,
      now: () => this.now,
      timers: { start: (delay, fire) => this.arm(delay, fire) },
      descriptorLimit: 1024,
      defer,
      betweenThreads: () => {},
    });
    this.kernel.registerFamily(this.network);
    this.sys = new Syscalls(this.kernel, this.kernel.spawn(2, "test"));
    this.loop = new EventLoop(this.sys, {
      tick: () => (process as unknown as { _tickCallback(): void })._tickCallback(),
      defer,
      hold: () => this.count(1),
      release: () => this.count(-1),
    });
  }

  private count(by: number): void {
    this.held += by;
    this.holds.push(this.held);
  }

  private arm(delay: number, fire: () => void): () => void {
    const timer = { at: this.now + delay, fire };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((t) => t !== timer);
    };
  }

  /** Timers that wait. */
  get armed(): number {
    return this.timers.length;
  }

  /** Lets the earliest timer fire. @returns milliseconds that this took */
  elapse(): number {
    const [first] = [...this.timers].sort((a, b) => a.at - b.at);
    if (first === undefined) throw new Error("no timer is armed");
    const took = first.at - this.now;
    this.now = first.at;
    this.timers = this.timers.filter((t) => t !== first);
    first.fire();
    return took;
  }
}

/** Waits for a condition, turn by turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns === 10_000) throw new Error(`never came true: ${String(condition)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
