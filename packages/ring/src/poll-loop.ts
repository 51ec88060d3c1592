/**
 * Runs the ports of one thread: drains a port that was rung, polls the awake ones, each for the
 * window that the halt-polling rule allows it, then lets them sleep.
 *
 * Each port has a window of its own: a port that is busy does not keep others awake that wait in
 * vain, and one that is slow does not send to sleep those for which polling pays. A turn costs
 * what the awake ports cost.
 *
 * A wait begins when a port was last heard of, or when it is woken because an answer is expected.
 *
 * Time and deferral come in, so that a test can run it in virtual time. `defer` is `setImmediate`
 * in a program: I/O goes on between two looks.
 */
import { Crowding, type CrowdingOptions } from "./crowding.ts";
import { HaltPoll, type HaltPollOptions } from "./halt-poll.ts";
import type { PortCounters } from "./port.ts";

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
  /** Where to count polls. */
  readonly counters?: PortCounters;
}

export interface PollLoopOptions extends HaltPollOptions, CrowdingOptions {
  defer: (turn: () => void) => void;
}

/** What the loop knows of a port. */
interface Seat {
  readonly port: Pollable;
  readonly halt: HaltPoll;
  /** When the wait began. */
  since: number;
  /** The port sleeps and nothing came since it was expected. */
  vain: boolean;
}

export class PollLoop {
  /** Asleep or awake; a port that nobody else knows any more is forgotten. */
  private readonly seats = new WeakMap<Pollable, Seat>();
  private readonly awake = new Set<Seat>();
  private readonly options: PollLoopOptions;
  private readonly crowding: Crowding;
  private scheduled = false;
  polls = 0;

  constructor(options: PollLoopOptions) {
    this.options = options;
    this.crowding = new Crowding(options);
  }

  /** A port's doorbell rang: handles what is there. */
  rung(port: Pollable): void {
    const seat = this.seatOf(port);
    this.wake(seat);
    if (port.drain() > 0) this.worked(seat);
  }

  /** A port's peer is expected to answer soon: looks at it in the next turn, without a doorbell. */
  expect(port: Pollable): void {
    const seat = this.seatOf(port);
    if (this.awake.has(seat)) return;
    if (seat.vain) seat.halt.missed();
    seat.since = this.options.now();
    seat.vain = true;
    this.wake(seat);
  }

  /** Something is awake and looked at in every turn. */
  get busy(): boolean {
    return this.awake.size > 0;
  }

  remove(port: Pollable): void {
    const seat = this.seats.get(port);
    if (seat === undefined) return;
    this.awake.delete(seat);
    this.seats.delete(port);
  }

  private seatOf(port: Pollable): Seat {
    let seat = this.seats.get(port);
    if (seat === undefined) {
      seat = { port, halt: new HaltPoll(this.options), since: this.options.now(), vain: false };
      this.seats.set(port, seat);
    }
    return seat;
  }

  private wake(seat: Seat): void {
    if (!this.awake.has(seat)) {
      seat.port.wake();
      this.awake.add(seat);
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.defer(this.turn);
  }

  private worked(seat: Seat): void {
    const now = this.options.now();
    seat.halt.waited(now - seat.since);
    seat.since = now;
    seat.vain = false;
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    this.polls++;
    try {
      this.look();
    } finally {
      // A drain that throws ends its own port; the others go on.
      if (this.awake.size > 0) this.schedule();
    }
  };

  private look(): void {
    const now = this.options.now();
    // What is woken or woken again meanwhile waits for the next turn: ports cannot hold this one.
    let left = this.awake.size;
    for (const seat of this.awake) {
      if (left-- === 0) break;
      const { port } = seat;
      if (port.counters !== undefined) port.counters.polls++;
      if (port.drain() > 0) {
        this.worked(seat);
        continue;
      }
      if (now - seat.since < seat.halt.window && !this.crowding.look(now)) continue;
      // Its drain may have removed it.
      if (this.awake.has(seat) && port.trySleep()) this.awake.delete(seat);
    }
  }
}
