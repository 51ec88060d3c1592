/**
 * One shortcut: a connection between two guests whose bytes go through their pair, and the
 * kernel's connection that was made for it, which lies idle and carries its end of life.
 *
 * Both kernel ends stay open until both guests have closed; then they are reset, not finished:
 * nobody reads there, and no port waits in TIME_WAIT.
 */
import {
  ERRNO,
  EVENT,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
} from "@outsock/abi";
import { closeFd, SysError, setLinger, setsockoptInt } from "@outsock/hostsys";
import type { Side, Slot } from "./pair.ts";

/** A connection that was dropped on its way ends within IDLE + COUNT * INTERVAL seconds. */
const KEEPALIVE = { idle: 10, interval: 5, count: 3 } as const;

/** Keepalive and the reset at the end, on a kernel connection that carries a shortcut's life. */
export function prepareLifeline(fd: number): void {
  setsockoptInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setsockoptInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE.idle);
  setsockoptInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE.interval);
  setsockoptInt(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE.count);
}

/** The guest process that has one end. */
export interface EndOwner {
  /** Tells the guest that its connection is dead (a positive errno). */
  reset(socket: number, errno: number): void;
  /**
   * Tells the guest of `events` (EVENT bits) on its socket.
   * - Within `guard`: the queue is that guest's, and a breach of it is not its peer's.
   */
  notify(socket: number, events: number): void;
  guard(work: () => void): void;
  /** Hands kernel ends over. @returns false when it cannot be done now */
  sendLifelines(lifelines: readonly { socket: number; fd: number }[]): boolean;
}

export interface ShortcutEnd {
  readonly owner: EndOwner;
  readonly socket: number;
  /** The kernel's connection. */
  readonly fd: number;
  closed: boolean;
  /** The guest has a descriptor of its own. */
  handedOut: boolean;
}

/** The pair as a shortcut needs it. */
interface SlotOwner {
  readonly id: number;
  closeFor(side: Side, slot: Slot, reset: boolean): boolean;
  release(slot: Slot): void;
}

export class Shortcut {
  readonly pair: SlotOwner;
  readonly slot: Slot;
  readonly ends: readonly [ShortcutEnd, ShortcutEnd];
  private readonly done: (shortcut: Shortcut) => void;
  /** One guest never got its end: the other one's is dead from the start. */
  abandoned = false;
  /** Its guests go on without this agent: the kernel's connection is theirs, and not reset. */
  outlives = false;

  /** @param done called once both ends are closed, before their descriptors are */
  constructor(
    pair: SlotOwner,
    slot: Slot,
    ends: [ShortcutEnd, ShortcutEnd],
    done: (shortcut: Shortcut) => void,
  ) {
    this.pair = pair;
    this.slot = slot;
    this.ends = ends;
    this.done = done;
  }

  get over(): boolean {
    return this.ends[0].closed && this.ends[1].closed;
  }

  /** The guest of `side` closes its socket, perhaps before it was told that it is a shortcut. */
  closedByGuest(side: Side, reset: boolean): void {
    if (this.ends[side].closed || !this.pair.closeFor(side, this.slot, reset)) return;
    const other = this.ends[1 - side]!;
    // Its pair's queue is not the agent's, so it is told by its own.
    if (other.closed) return;
    const event = reset ? EVENT.RESET : EVENT.FIN;
    other.owner.guard(() => other.owner.notify(other.socket, event));
  }

  /** The guest of `side` has closed its socket, or never got it. */
  close(side: Side): void {
    const end = this.ends[side];
    if (end.closed) return;
    end.closed = true;
    if (!this.over) return;
    this.done(this);
    try {
      if (!this.outlives) setLinger(this.ends[0].fd, true, 0);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
    }
    for (const { fd } of this.ends) closeFd(fd);
    this.pair.release(this.slot);
  }

  /** The guest of `side` cannot have its end: the other one sees a reset. */
  abandon(side: Side): void {
    if (this.ends[side].closed) return;
    this.abandoned = true;
    this.close(side);
    this.reset(ERRNO.ECONNRESET);
  }

  /** The kernel's connection ended, or one guest never got its end: tells who is left. */
  reset(errno: number): void {
    for (const end of this.ends) if (!end.closed) end.owner.reset(end.socket, errno);
  }
}
