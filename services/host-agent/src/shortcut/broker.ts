/**
 * Finds the two ends of one kernel connection among the guests of this agent, and makes a
 * shortcut of them.
 *
 * Theory of operation. An end that might be one of two offers itself with proofs: words that only
 * the two ends of one connection have in common (proof.ts). Whoever comes second is matched at
 * once. An end that nobody matches within a few turns of the event loop stays on the relay: the
 * kernel hands a connection to the accepting side before connect(2) of the other side completes,
 * so a peer that is here is seen by then. No byte moves while an end waits.
 *
 * An accepted connection waits only while somebody connects: else nobody can match it.
 */
import { PAIR_GONE, PAIR_REFUSED, PAIR_SIDE_AGENT, PAIR_SIDE_GUEST, PATH } from "@outsock/abi";
import { SysError } from "@outsock/hostsys";
import { Pair, type PairMember, type Side, type Slot } from "./pair.ts";
import { type EndOwner, Shortcut, type ShortcutEnd } from "./shortcut.ts";

/** Turns of the event loop that an end waits for the other one. */
const TURNS = 3;
/** After so many pairs that were broken or refused two guests get no further one. */
const BROKEN_MAX = 3;

/** One end of a kernel connection, offered. */
export interface Offer {
  readonly kind: "connected" | "accepted";
  readonly proofs: readonly string[];
  readonly member: PairMember & EndOwner;
  /** Number of the guest's socket. */
  readonly socket: number;
  /** Its other end may be a guest of another worker (workers/worker-broker.ts). */
  readonly abroad: boolean;
  /**
   * Gives the kernel's connection over to the shortcut: who withdraws afterwards leaves it alone.
   * @throws SysError when there is no descriptor
   */
  take(): number;
  /** It is not needed after all. */
  giveBack(fd: number): void;
  /** Called once, with an assignment or with why there is none (PATH). */
  settled(outcome: Assignment | number): void;
}

export interface Assignment {
  shortcut: Shortcut;
  side: Side;
}

/** Where a guest's ends are offered: among the guests of this event loop, or of all workers. */
export interface Matchmaker {
  /** Guests of other workers listen: ends of connections to them may be offered. */
  readonly abroad: boolean;
  /** Somebody connects: accepted connections may be its other end, until the result is called. */
  expectOffer(abroad: boolean): () => void;
  offer(offer: Offer): void;
  /** The end is gone: nobody is told. */
  withdraw(offer: Offer): void;
  /**
   * A member says that the other side of a pair is gone or, `broken`, broke the protocol.
   * @returns false when the pair is none of its own
   */
  pairEnded(member: PairMember, id: number, reason: number): boolean;
  /** A guest process is gone. Its sockets are closed by itself. */
  leave(member: PairMember): void;
}

interface Waiting {
  offer: Offer;
  turns: number;
}

export interface BrokerOptions {
  defer(turn: () => void): void;
  /** A shortcut came to be, and ended. */
  onMade(shortcut: Shortcut): void;
  onOver(shortcut: Shortcut): void;
}

export class Broker implements Matchmaker {
  readonly abroad = false;
  private readonly options: BrokerOptions;
  private readonly waiting = new Map<string, Waiting>();
  /** Offers that were taken back: nothing is told of them, whoever is just being told. */
  private readonly withdrawn = new WeakSet<Offer>();
  private readonly pairs = new Map<PairMember, Map<PairMember, Pair>>();
  private readonly broken = new Map<PairMember, Map<PairMember, { times: number; why: number }>>();
  private readonly byId = new Map<number, Pair>();
  private nextPair = 1;
  private scheduled = false;
  /** Guests that are about to connect to somebody who may be here. */
  private connecting = 0;

  constructor(options: BrokerOptions) {
    this.options = options;
  }

  expectOffer(): () => void {
    this.connecting++;
    let over = false;
    return () => {
      if (!over) this.connecting--;
      over = true;
    };
  }

  offer(offer: Offer): void {
    for (const proof of offer.proofs) {
      const other = this.waiting.get(proof);
      if (other === undefined || other.offer.kind === offer.kind) continue;
      this.forget(other.offer);
      this.match(offer, other.offer);
      return;
    }
    const hopeless = offer.kind === "accepted" && this.connecting === 0;
    if (offer.proofs.length === 0 || hopeless) {
      offer.settled(offer.proofs.length === 0 ? PATH.NOT_PROVEN : PATH.REMOTE_PEER);
      return;
    }
    const entry = { offer, turns: TURNS };
    for (const proof of offer.proofs) {
      // The kernel gives a 4-tuple anew as soon as a reset has ended its connection.
      const before = this.waiting.get(proof)?.offer;
      if (before !== undefined) {
        this.forget(before);
        this.settle(before, PATH.NOT_PROVEN);
      }
      this.waiting.set(proof, entry);
    }
    this.schedule();
  }

  withdraw(offer: Offer): void {
    this.withdrawn.add(offer);
    this.forget(offer);
  }

  private forget(offer: Offer): void {
    for (const proof of offer.proofs) {
      if (this.waiting.get(proof)?.offer === offer) this.waiting.delete(proof);
    }
  }

  /** Tells what became of an offer, unless it was taken back while others were told. */
  private settle(offer: Offer, outcome: Assignment | number): void {
    if (!this.withdrawn.has(offer)) offer.settled(outcome);
    else if (typeof outcome !== "number") outcome.shortcut.abandon(outcome.side);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.defer(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    for (const entry of new Set(this.waiting.values())) {
      entry.turns--;
      if (entry.turns > 0) continue;
      const { offer } = entry;
      // Whoever was told before may have ended it, or brought its other end.
      if (!offer.proofs.some((proof) => this.waiting.get(proof) === entry)) continue;
      this.forget(offer);
      this.settle(offer, PATH.REMOTE_PEER);
    }
    if (this.waiting.size > 0) this.schedule();
  };

  private match(one: Offer, two: Offer): void {
    const [client, server] = one.kind === "connected" ? [one, two] : [two, one];
    const { pair, why } = this.pairOf(client.member, server.member);
    // A guest that is told of the pair may turn out to be broken, and its ends are gone then.
    const gone = this.withdrawn.has(client) || this.withdrawn.has(server);
    const slot = gone ? undefined : pair?.allocate();
    const shortcut = pair && slot && this.make(pair, slot, client, server);
    if (shortcut === undefined) {
      // The accepting side first: what the connecting one sends is read there.
      this.settle(server, why);
      this.settle(client, why);
      return;
    }
    const serverSide = pair?.members[0] === client.member ? PAIR_SIDE_AGENT : PAIR_SIDE_GUEST;
    const clientSide = serverSide === PAIR_SIDE_AGENT ? PAIR_SIDE_GUEST : PAIR_SIDE_AGENT;
    this.options.onMade(shortcut);
    this.settle(server, { shortcut, side: serverSide });
    this.settle(client, { shortcut, side: clientSide });
  }

  /** @returns undefined when there is no descriptor for it */
  private make(pair: Pair, slot: Slot, client: Offer, server: Offer): Shortcut | undefined {
    const offers = pair.members[0] === client.member ? [client, server] : [server, client];
    const ends: ShortcutEnd[] = [];
    try {
      for (const offer of offers) {
        const { member: owner, socket } = offer;
        ends.push({ owner, socket, fd: offer.take(), closed: false, handedOut: false });
      }
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (ends[0] !== undefined) offers[0]?.giveBack(ends[0].fd);
      pair.release(slot);
      return undefined;
    }
    return new Shortcut(pair, slot, [ends[0]!, ends[1]!], this.options.onOver);
  }

  private pairOf(a: PairMember, b: PairMember): { pair: Pair | undefined; why: number } {
    const known = this.pairs.get(a)?.get(b) ?? this.pairs.get(b)?.get(a);
    if (known?.alive) return { pair: known, why: PATH.NO_ROOM };
    const before = this.broken.get(a)?.get(b);
    if (before !== undefined && before.times >= BROKEN_MAX) {
      return { pair: undefined, why: before.why };
    }
    const pair = Pair.make(this.nextPair++, a, b);
    if (pair === undefined) return { pair, why: PATH.NO_ROOM };
    this.byId.set(pair.id, pair);
    for (const [of, with_] of [
      [a, b],
      [b, a],
    ] as const) {
      const mine = this.pairs.get(of) ?? new Map<PairMember, Pair>();
      mine.set(with_, pair);
      this.pairs.set(of, mine);
    }
    return { pair, why: PATH.NO_ROOM };
  }

  pairEnded(member: PairMember, id: number, reason: number): boolean {
    const pair = this.byId.get(id);
    // Its end may have been told by the other side before.
    if (pair === undefined) return id < this.nextPair;
    if (!pair.members.includes(member)) return false;
    this.drop(pair);
    if (reason === PAIR_GONE) return true;
    const why = reason === PAIR_REFUSED ? PATH.NO_ROOM : PATH.PEER_BROKEN;
    const [a, b] = pair.members;
    for (const [of, with_] of [
      [a, b],
      [b, a],
    ] as const) {
      const counts = this.broken.get(of) ?? new Map<PairMember, { times: number; why: number }>();
      counts.set(with_, { times: (counts.get(with_)?.times ?? 0) + 1, why });
      this.broken.set(of, counts);
      if (a === b) break;
    }
    return true;
  }

  private drop(pair: Pair): void {
    pair.end();
    this.byId.delete(pair.id);
    const [a, b] = pair.members;
    if (this.pairs.get(a)?.get(b) === pair) this.pairs.get(a)?.delete(b);
    if (this.pairs.get(b)?.get(a) === pair) this.pairs.get(b)?.delete(a);
  }

  leave(member: PairMember): void {
    for (const pair of new Set(this.pairs.get(member)?.values())) this.drop(pair);
    this.pairs.delete(member);
    for (const other of this.broken.get(member)?.keys() ?? [])
      this.broken.get(other)?.delete(member);
    this.broken.delete(member);
  }
}
