/**
 * One side's end of a region: the queue it takes events from, the queue it notifies on, and the
 * doorbell that wakes a sleeping side.
 *
 * Sleeping. A side that finds its queue empty sets its sleeping flag, looks at the queue again,
 * and only then waits for the doorbell; the peer publishes an event first and looks at the flag
 * after. Whoever clears the flag rings, so there is one doorbell for each sleep.
 *
 * Polling. Before it sleeps a side may look at its queue for some turns of the event loop; how
 * long follows the halt-polling rule of KVM (Documentation/virt/kvm/halt-polling.rst): grow while
 * events come soon after the wait began, shrink when they do not.
 */
import { EventNotifier, EventTaker, type QueuePlace } from "./event-queue.ts";
import type { SharedMemory } from "./stream-ring.ts";

/** Wakes the peer, and is rung by it. */
export interface Doorbell {
  /**
   * Wakes the peer.
   * - Does not throw when the peer is gone, and does not block when the peer, which decides how
   *   often it is rung, does not take what was rung before.
   */
  ring(): void;
}

export interface PortPlace {
  incoming: QueuePlace;
  outgoing: QueuePlace;
  /** Word that this side sets while it sleeps, and the peer's. */
  sleepingWord: number;
  peerSleepingWord: number;
}

export interface PortCounters {
  /** Rung to wake the peer, and notifications that needed none. */
  doorbellsSent: number;
  doorbellsSaved: number;
  /** Times this side was woken from sleep. */
  wakeups: number;
  /** Turns in which the poll loop looked at this port, counted by `PollLoop`. */
  polls: number;
}

export class Port {
  private readonly words: Int32Array;
  private readonly place: PortPlace;
  private readonly doorbell: Doorbell;
  readonly taker: EventTaker;
  private readonly notifier: EventNotifier;
  readonly counters: PortCounters = { doorbellsSent: 0, doorbellsSaved: 0, wakeups: 0, polls: 0 };

  private readonly defer: ((turn: () => void) => void) | undefined;
  private turnEnds = false;
  private closed = false;
  private asleep = false;

  /**
   * @param defer runs a function at the end of this turn of the event loop; with it, only the first
   *   doorbell of a turn is rung at once, and one more at its end stands for all that followed
   */
  constructor(
    memory: SharedMemory,
    place: PortPlace,
    doorbell: Doorbell,
    defer?: (turn: () => void) => void,
  ) {
    this.defer = defer;
    this.words = memory.words;
    this.place = place;
    this.doorbell = doorbell;
    this.taker = new EventTaker(memory, place.incoming);
    this.notifier = new EventNotifier(memory, place.outgoing);
  }

  /**
   * Tells the peer of `events` on `socket` and wakes it if it sleeps.
   * - With `defer`, whoever blocks before the turn ends calls `flush()` first.
   * @throws RingCorrupted
   */
  notify(socket: number, events: number): void {
    this.notifier.notify(socket, events);
    if (this.turnEnds || Atomics.load(this.words, this.place.peerSleepingWord) === 0) {
      this.counters.doorbellsSaved++;
      return;
    }
    this.ring();
    const { defer } = this;
    if (defer === undefined) return;
    this.turnEnds = true;
    defer(this.endTurn);
  }

  private ring(): void {
    if (Atomics.exchange(this.words, this.place.peerSleepingWord, 0) === 0) {
      this.counters.doorbellsSaved++;
      return;
    }
    this.counters.doorbellsSent++;
    this.doorbell.ring();
  }

  private readonly endTurn = (): void => {
    this.turnEnds = false;
    if (!this.closed) this.flush();
  };

  /** The memory goes away: nothing here touches it any more. */
  close(): void {
    this.closed = true;
  }

  /** Wakes a peer that sleeps although it was told of something. */
  flush(): void {
    if (Atomics.load(this.words, this.place.peerSleepingWord) === 0) return;
    if (!this.notifier.empty()) this.ring();
  }

  /** Says that this side sleeps. @returns false when events came meanwhile: take them first. */
  trySleep(): boolean {
    Atomics.store(this.words, this.place.sleepingWord, 1);
    if (this.taker.empty()) {
      this.asleep = true;
      return true;
    }
    Atomics.store(this.words, this.place.sleepingWord, 0);
    return false;
  }

  /** Says that this side is awake: the peer need not ring. */
  wake(): void {
    if (this.asleep) this.counters.wakeups++;
    this.asleep = false;
    Atomics.store(this.words, this.place.sleepingWord, 0);
  }
}
