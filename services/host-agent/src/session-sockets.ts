/**
 * What a guest's session offers to the sockets that it owns: its memory, its notifications and its
 * ring slab. Sockets see this, not the session.
 */
import type { RegionLayout, RingPlace, SharedMemory } from "@outsock/ring";
import type { Endpoint, RingPair } from "@outsock/vrpc";
import type { NetworkPlan } from "./network-plan.ts";

/** A socket option that the guest set before the real socket was there. */
export interface SocketOption {
  level: number;
  name: number;
  value: number;
}

export interface SessionContext {
  readonly memory: SharedMemory;
  readonly layout: RegionLayout;
  readonly plan: NetworkPlan;
  /** Tells the guest of `events` (EVENT bits) on its socket. */
  notify(socket: number, events: number): void;
  /** Marks the connection dead and tells the guest why (a positive errno). */
  reset(socket: number, errno: number): void;
  /** Marks the end of the stream from outside and tells the guest. */
  finish(socket: number): void;
  /** True when the guest said that it will write no more. */
  guestFinished(socket: number): boolean;
  /** Two rings for `socket`, its control words fresh; undefined when there is no room. */
  allocateRings(socket: number, atLeast?: number): AllocatedRings | undefined;
  /** Runs what handles the peer's bytes; a breach of the protocol ends the session. */
  guard(work: () => void): void;
  reply(
    opcode: number,
    sequence: number,
    socket: number,
    status: number,
    payload: Uint8Array,
  ): void;
  /** Offers an accepted connection to the guest; false when it cannot take it. */
  accept(listener: number, local: Endpoint, peer: Endpoint, handle: unknown): boolean;
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
