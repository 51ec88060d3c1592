/**
 * Runs the ports of one thread: drains a port that was rung, polls the awake ones for the window
 * that the halt-polling rule allows, then lets them sleep.
 *
 * Time and deferral come in, so that a test can run it in virtual time. `defer` is `setImmediate`
 * in a program: I/O goes on between two looks.
 */
import { Crowding } from "./crowding.ts";
import { HaltPoll, type HaltPollOptions } from "./halt-poll.ts";

export interface Pollable {
  /**
   * Handles the events that are there, a bounded number of them.
   * - Does not throw: the other ports of the loop would be left behind.
   * @returns how many there were
   */
  drain(): number;
  /** @returns false when events came meanwhile */
  trySleep(): boolean;
  wake(): void;
}

export interface PollLoopOptions extends HaltPollOptions {
  /** Monotonic clock, microseconds. */
  now: () => number;
  defer: (turn: () => void) => void;
  /** Involuntary context switches of this process so far: polling ends where there are many. */
  involuntarySwitches: () => number;
}

export class PollLoop {
  private readonly awake = new Set<Pollable>();
  private readonly halt: HaltPoll;
  private readonly crowding: Crowding;
  private readonly now: () => number;
  private readonly defer: (turn: () => void) => void;
  private idleSince: number;
  private scheduled = false;
  polls = 0;

  constructor(options: PollLoopOptions) {
    this.now = options.now;
    this.defer = options.defer;
    this.halt = new HaltPoll(options);
    this.crowding = new Crowding(options);
    this.idleSince = options.now();
  }

  /** A port's doorbell rang: handles what is there. */
  rung(port: Pollable): void {
    this.expect(port);
    if (port.drain() > 0) this.worked();
  }

  /** A port's peer is expected to answer soon: looks at it in the next turn, without a doorbell. */
  expect(port: Pollable): void {
    if (!this.awake.has(port)) {
      port.wake();
      this.awake.add(port);
    }
    if (!this.scheduled) {
      this.scheduled = true;
      this.defer(this.turn);
    }
  }

  /** Something is awake and looked at in every turn. */
  get busy(): boolean {
    return this.awake.size > 0;
  }

  remove(port: Pollable): void {
    this.awake.delete(port);
  }

  private worked(): void {
    const now = this.now();
    this.halt.waited(now - this.idleSince);
    this.idleSince = now;
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    this.polls++;
    let handled = 0;
    for (const port of this.awake) handled += port.drain();
    if (handled > 0) {
      this.worked();
    } else if (this.now() - this.idleSince >= this.halt.window || this.crowding.look()) {
      for (const port of this.awake) if (port.trySleep()) this.awake.delete(port);
    }
    if (this.awake.size > 0 && !this.scheduled) {
      this.scheduled = true;
      this.defer(this.turn);
    }
  };
}
