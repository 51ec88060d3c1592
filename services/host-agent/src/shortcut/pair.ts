/**
 * A pair region: the memory that two guest processes share, with a slot for each of their
 * shortcuts. The agent makes it, hands both their ends, and assigns slots and rings; it reads
 * nothing there that decides anything, and keeps no end of the doorbell: its end of file means to
 * a guest that the other one died.
 */
import {
  CCB,
  FLAG,
  HEADER,
  PAIR_MAX_SOCKETS,
  PAIR_REGION_BYTES,
  PAIR_SIDE_AGENT,
  PAIR_SIDE_GUEST,
} from "@outsock/abi";
import { closeFd, type Mapping, SysError, socketpair } from "@outsock/hostsys";
import {
  ccbWord,
  formatRegion,
  type RegionLayout,
  resetCcb,
  type SharedMemory,
  Slab,
  sharedMemory,
} from "@outsock/ring";
import type { RingPair } from "@outsock/vrpc";
import { makeRegion, Refused } from "../region-memory.ts";

export type Side = typeof PAIR_SIDE_GUEST | typeof PAIR_SIDE_AGENT;

/** What a pair needs of a guest process. */
export interface PairMember {
  /** Hands the region and this side's doorbell over. @returns false when it cannot be done now */
  announcePair(pair: number, side: Side, bytes: number, fds: readonly number[]): boolean;
}

/** A slot of a pair and its rings. */
export interface Slot {
  number: number;
  /** As side GUEST sees them: tx is GUEST to AGENT. */
  rings: RingPair;
}

/** A pair that nobody was told of; whoever has it closes the descriptors. */
interface NewPair<Member> {
  pair: Pair<Member>;
  bytes: number;
  regionFd: number;
  /** By side. */
  doorbells: readonly [number, number];
}

export class Pair<Member = PairMember> {
  readonly id: number;
  /** By side. */
  readonly members: readonly [Member, Member];
  private readonly mapping: Mapping;
  private readonly memory: SharedMemory;
  private readonly layout: RegionLayout;
  private readonly slab: Slab;
  private readonly free: number[] = [];
  private next = 1;
  private used = 0;
  private ended = false;

  private constructor(id: number, members: readonly [Member, Member], mapping: Mapping) {
    this.id = id;
    this.members = members;
    this.mapping = mapping;
    this.memory = sharedMemory(mapping.buffer);
    this.layout = formatRegion(this.memory, PAIR_MAX_SOCKETS);
    this.slab = new Slab(this.layout.slabOffset, this.layout.slabBytes);
    // Whoever starts without looking at its queue sleeps.
    Atomics.store(this.memory.words, HEADER.GUEST_SLEEPING, 1);
    Atomics.store(this.memory.words, HEADER.AGENT_SLEEPING, 1);
  }

  /**
   * Makes a pair region and its doorbell. The first member has side GUEST.
   * @returns undefined when there is no memory or no descriptor
   */
  static create<Member>(
    id: number,
    members: readonly [Member, Member],
  ): NewPair<Member> | undefined {
    let regionFd = -1;
    let pair: Pair<Member> | undefined;
    try {
      const { fd, mapping, bytes } = makeRegion(`pair-${id}`, PAIR_REGION_BYTES);
      regionFd = fd;
      pair = new Pair(id, members, mapping);
      return { pair, bytes, regionFd, doorbells: socketpair() };
    } catch (error) {
      if (regionFd !== -1) closeFd(regionFd);
      pair?.end();
      if (!(error instanceof Refused) && !(error instanceof SysError)) throw error;
      return undefined;
    }
  }

  /**
   * Makes a pair region and hands it to both. `first` has side GUEST.
   * @returns undefined when there is no memory, no descriptor, or a member does not take it
   */
  static make(id: number, first: PairMember, second: PairMember): Pair | undefined {
    const made = Pair.create(id, [first, second]);
    if (made === undefined) return undefined;
    const { pair, bytes, regionFd, doorbells } = made;
    const [one, two] = doorbells;
    const taken =
      first.announcePair(id, PAIR_SIDE_GUEST, bytes, [regionFd, one]) &&
      second.announcePair(id, PAIR_SIDE_AGENT, bytes, [regionFd, two]);
    for (const fd of [regionFd, one, two]) closeFd(fd);
    if (taken) return pair;
    pair.end();
    return undefined;
  }

  get alive(): boolean {
    return !this.ended;
  }

  /** @returns undefined when there is no room */
  allocate(): Slot | undefined {
    if (this.ended) return undefined;
    const number = this.next < PAIR_MAX_SOCKETS ? this.next++ : this.free.shift();
    if (number === undefined) return undefined;
    const tx = this.slab.allocate();
    const rx = tx === undefined ? undefined : this.slab.allocate();
    if (tx === undefined || rx === undefined) {
      if (tx !== undefined) this.slab.free(tx);
      this.free.push(number);
      return undefined;
    }
    resetCcb(this.memory, this.layout, number);
    this.used++;
    const rings = {
      txOffset: tx.offset,
      txCapacity: tx.capacity,
      rxOffset: rx.offset,
      rxCapacity: rx.capacity,
    };
    return { number, rings };
  }

  /**
   * Closes a slot for a guest that closed its socket before it knew of the shortcut.
   * @returns false when it knew, and has done so itself
   */
  closeFor(side: Side, { number }: Slot, reset: boolean): boolean {
    const name = side === PAIR_SIDE_GUEST ? CCB.GUEST_FLAGS : CCB.AGENT_FLAGS;
    const word = ccbWord(this.layout, number, name);
    const flags = FLAG.JOINED | FLAG.CLOSED | (reset ? FLAG.RESET : FLAG.FIN);
    if ((Atomics.load(this.memory.words, word) & FLAG.CLOSED) !== 0) return false;
    Atomics.or(this.memory.words, word, flags);
    return true;
  }

  /** - Both guests have closed the slot's sockets, or are gone. */
  release({ number, rings }: Slot): void {
    this.slab.free({ offset: rings.txOffset, capacity: rings.txCapacity });
    this.slab.free({ offset: rings.rxOffset, capacity: rings.rxCapacity });
    this.free.push(number);
    this.used--;
    this.unmapIfDone();
  }

  /** A member is gone or says that the other broke the protocol: no slot is given out any more. */
  end(): void {
    this.ended = true;
    this.unmapIfDone();
  }

  private unmapIfDone(): void {
    if (this.ended && this.used === 0) this.mapping.unmap();
  }
}
