/**
 * A guest's end of a pair region: the port to another guest, and the shortcuts that go through it.
 *
 * It outlives the agent that made it. The doorbell's end of file means that the other guest died;
 * what that one had written before can still be read.
 */
import { EVENT, FLAG, PAIR_SIDE_GUEST } from "@outsock/abi";
import { type Mapping, sendByte } from "@outsock/hostsys";
import {
  type GrownRings,
  openRegion,
  type Pollable,
  Port,
  type PortCounters,
  portPlace,
  RegionInvalid,
  RingCorrupted,
  sharedMemory,
} from "@outsock/ring";
import { Conduit } from "./conduit.ts";

const BATCH = 1024;

/** No connection has this number; its flags are those of the pair. */
const PAIR_ITSELF = 0;

/** A stream whose bytes go through the pair. */
export interface PairSocket {
  /** The other guest notified. */
  onPairEvents(): void;
  /** The other guest is gone, broke the protocol, or will never know of the connection. */
  onPairEnded(): void;
}

export interface PairHandlers {
  /** Takes the doorbell over. @returns closes it */
  watch(fd: number, onRing: () => void, onGone: () => void): () => void;
  defer(turn: () => void): void;
  readonly grown: GrownRings;
  /** The doorbell rang. */
  onRing(pair: PairEnd): void;
  /** No event will come any more; `broken` is what the other guest did, if that is why. */
  onEnded(pair: PairEnd, broken: string | undefined): void;
}

export class PairEnd implements Pollable {
  readonly id: number;
  readonly side: number;
  readonly conduit: Conduit;
  private readonly handlers: PairHandlers;
  private readonly mapping: Mapping;
  private readonly port: Port;
  private readonly sockets = new Map<number, PairSocket>();
  private readonly stop: () => void;
  alive = true;
  /**
   * Both ends are this process's: events then come by the doorbell, when the event loop gets to
   * I/O, as those of native sockets; polling would put them before what this turn has queued.
   */
  own = false;

  /** @throws RegionInvalid; the descriptor is the caller's then */
  constructor(id: number, side: number, mapping: Mapping, fd: number, handlers: PairHandlers) {
    const memory = sharedMemory(mapping.buffer);
    const layout = openRegion(memory);
    const role = side === PAIR_SIDE_GUEST ? "guest" : "agent";
    this.id = id;
    this.side = side;
    this.mapping = mapping;
    this.handlers = handlers;
    this.conduit = new Conduit(memory, layout, role, {
      windows: true,
      grown: handlers.grown,
      onShrink: (offset, length) => mapping.discard(offset, length),
    });
    this.port = new Port(
      memory,
      portPlace(layout, role),
      { ring: () => void sendByte(fd) },
      handlers.defer,
    );
    this.stop = handlers.watch(
      fd,
      () => handlers.onRing(this),
      () => this.end(undefined),
    );
  }

  get counters(): PortCounters {
    return this.port.counters;
  }

  /** Sockets that use the memory. */
  get size(): number {
    return this.sockets.size;
  }

  add(slot: number, socket: PairSocket): void {
    if (!this.sockets.has(slot)) this.conduit.raise(slot, FLAG.JOINED);
    this.sockets.set(slot, socket);
  }

  /**
   * The agent is gone: what it did not tell of until now is none of this guest's. The other guest
   * may have been told: it looks for connections that only it has.
   */
  takeNoMore(): void {
    this.conduit.raise(PAIR_ITSELF, FLAG.CLOSED);
    this.guard(() => this.notify(PAIR_ITSELF, EVENT.FIN));
  }

  /** The connection is this guest's alone: the agent went before it had told the other one. */
  onlyHere(slot: number): boolean {
    if ((this.conduit.peerFlags(PAIR_ITSELF) & FLAG.CLOSED) === 0) return false;
    return (this.conduit.peerFlags(slot) & FLAG.JOINED) === 0;
  }

  /** - The socket touches its rings no more. */
  remove(slot: number): void {
    this.sockets.delete(slot);
    this.unmapIfDone();
  }

  notify(slot: number, events: number): void {
    if (this.alive) this.port.notify(slot, events);
  }

  /** Wakes the other guest now: nothing runs at the end of this turn any more. */
  flush(): void {
    if (this.alive) this.port.flush();
  }

  /** Runs what reads the other guest's bytes: a breach ends the pair alone. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RingCorrupted) && !(error instanceof RegionInvalid)) throw error;
      this.end(error.message);
    }
  }

  // Pollable

  drain(): number {
    let handled = 0;
    this.guard(() => {
      while (handled < BATCH && this.alive) {
        const slot = this.port.taker.take();
        if (slot === -1) break;
        handled++;
        if (slot === PAIR_ITSELF) this.findLonely();
        else this.sockets.get(slot)?.onPairEvents();
      }
    });
    return handled;
  }

  private findLonely(): void {
    for (const [slot, socket] of [...this.sockets]) if (this.onlyHere(slot)) socket.onPairEnded();
  }

  trySleep(): boolean {
    return !this.alive || this.port.trySleep();
  }

  /** Takes what the doorbell told of, and sleeps again. @returns false while there is more */
  drainAndSleep(): boolean {
    this.wake();
    this.drain();
    return this.trySleep();
  }

  wake(): void {
    if (this.alive) this.port.wake();
  }

  /** @param broken what the other guest did wrong, if anything */
  end(broken: string | undefined): void {
    if (!this.alive) return;
    this.alive = false;
    this.stop();
    for (const socket of [...this.sockets.values()]) socket.onPairEnded();
    this.handlers.onEnded(this, broken);
    this.unmapIfDone();
  }

  private unmapIfDone(): void {
    if (this.alive || this.sockets.size > 0) return;
    this.port.close();
    // Not now: whoever found the breach may be deep in a call that still looks at the memory.
    this.handlers.defer(() => this.mapping.unmap());
  }
}
