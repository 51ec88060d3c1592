/**
 * What a guest's session offers to the sockets that it owns: its memory, its notifications and its
 * ring slab. Sockets see this, not the session.
 */
import type { ProducerOptions, RegionLayout, RingPlace, SharedMemory } from "@outsock/ring";
import type { RingPair } from "@outsock/vrpc";
import type { Arrival } from "./listener.ts";
import type { ListenerDirectory } from "./listener-directory.ts";
import type { NetworkPlan } from "./network-plan.ts";
import type { Matchmaker } from "./shortcut/broker.ts";
import type { Lifelines } from "./shortcut/lifelines.ts";
import type { PairMember } from "./shortcut/pair.ts";
import type { EndOwner } from "./shortcut/shortcut.ts";

/** A socket option that the guest set before the real socket was there. */
export interface SocketOption {
  level: number;
  name: number;
  value: number;
}

export interface SessionContext extends PairMember, EndOwner {
  readonly memory: SharedMemory;
  readonly layout: RegionLayout;
  readonly plan: NetworkPlan;
  readonly directory: ListenerDirectory;
  readonly lifelines: Lifelines;
  /** Where the guest's ends are offered, or why it gets no shortcut (PATH). */
  readonly shortcuts: Matchmaker | number;
  /** Version of the protocol that the guest speaks. */
  readonly version: number;
  /** How rings to the guest grow and shrink. */
  readonly windows: ProducerOptions;
  /** Counts a connection by its path (PATH). */
  countPath(path: number): void;
  /** Tells the guest of `events` (EVENT bits) on its socket. */
  notify(socket: number, events: number): void;
  /** Marks the end of the stream from outside and tells the guest. */
  finish(socket: number): void;
  /** True when the guest said that it will write no more. */
  guestFinished(socket: number): boolean;
  /** Two rings for `socket`, its control words fresh; undefined when there is no room. */
  allocateRings(socket: number, atLeast?: number): AllocatedRings | undefined;
  /** Control words of a socket that has no rings of its own, fresh. */
  clear(socket: number): void;
  /** Runs what handles the peer's bytes; a breach of the protocol ends the session. */
  guard(work: () => void): void;
  reply(
    opcode: number,
    sequence: number,
    socket: number,
    status: number,
    payload: Uint8Array,
  ): void;
  /** A number for an accepted connection; undefined when all are in use. */
  takeNumber(): number | undefined;
  returnNumber(socket: number): void;
  /** Tells the guest of an accepted connection; false when it cannot take it. */
  accept(listener: number, arrival: Arrival): boolean;
}

export interface AllocatedRings {
  pair: RingPair;
  tx: RingPlace;
  rx: RingPlace;
  /** Gives both back; nothing may use them any more. */
  release(): void;
}

/** A socket of the guest, as the session drives it. */
export interface GuestSocket {
  /** The guest notified `events` (EVENT bits). */
  onEvents(events: number): void;
  setOption(option: SocketOption): number;
  getOption(level: number, name: number): { errno: number; value: number };
  /**
   * Closes. What the guest wrote before is still sent (close(2)), unless `reset`.
   * `closed` is called once nothing uses the rings any more.
   */
  close(reset: boolean, closed: () => void): void;
}
