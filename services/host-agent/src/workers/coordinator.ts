/**
 * Finds the two ends of one kernel connection among the guests of different workers, and owns what
 * two workers share: the pairs of their guests, the slots in them, and both kernel ends of each
 * shortcut until both guests have closed. Lives in the main thread.
 *
 * Theory of operation. A worker offers an end (worker-broker.ts) with its proofs and a descriptor.
 * Whoever comes second, from another worker, is matched at once. The decision falls here alone, so
 * both workers learn the same: a shortcut, or none.
 *
 * How long an end waits: the kernel has the accepted side ready before connect(2) of the other
 * side completes, so the other end is offered within a few turns of its worker's event loop. Each
 * worker that may have it (shared-counts.ts) is asked to say when it has made such turns, and its
 * answer comes after its offers: well below a millisecond where a processor is idle. A worker that
 * is too busy to answer in WAIT_MAX is not waited for: that connection is relayed.
 *
 * A pair is announced to both guests before a slot of it is given out; matches wait for that, for
 * PAIR_MAX at most, so guests of which one cannot take the pair fall back to the relay.
 *
 * - Descriptors: an offer's is ours until `unmatched`; those of an announcement until it is
 *   answered; a shortcut's until its end. A worker that dies leaves them here.
 */
import {
  ERRNO,
  EVENT,
  PAIR_GONE,
  PAIR_REFUSED,
  PAIR_SIDE_AGENT,
  PAIR_SIDE_GUEST,
  PATH,
} from "@outsock/abi";
import { closeFd, SysError, setLinger } from "@outsock/hostsys";
import { Pair, type Side, type Slot } from "../shortcut/pair.ts";
import type { CoordinatorToWorker, RemoteOffer, WorkerToCoordinator } from "./messages.ts";
import type { SharedCounts } from "./shared-counts.ts";
import { Turns } from "./turns.ts";
import { FIRST_SHARED_PAIR } from "./worker-broker.ts";

/** Milliseconds that an end waits for the other one at most; no byte of it moves meanwhile. */
const WAIT_MAX = 100;
/** The first shortcut of two guests waits longer at most: for their pair to be made and taken. */
const PAIR_MAX = 500;
/** After so many pairs that were broken or refused two guests get no further one. */
const BROKEN_MAX = 3;

/** A guest process of a worker. */
interface Member {
  readonly worker: number;
  readonly session: number;
}

interface End extends RemoteOffer {
  worker: number;
  /** Turns of each worker that may have the other end. */
  awaited: Map<number, number>;
  /** Stops the clock. */
  cancel(): void;
}

interface Match {
  client: End;
  server: End;
  /** Stops the clock, while it waits for its pair. */
  cancel(): void;
}

interface SharedPair {
  pair: Pair<Member>;
  key: string;
  /** Sides that have not said yet whether their guest has it. */
  announcing: Set<Side>;
  /** Region and doorbells, until both have. */
  fds: readonly number[];
  /** Found meanwhile. */
  matches: Set<Match>;
}

interface SharedShortcut {
  pair: Pair<Member>;
  slot: Slot;
  /** By side. */
  ends: readonly [SharedEnd, SharedEnd];
}

interface SharedEnd {
  worker: number;
  fd: number;
  closed: boolean;
}

export interface CoordinatorOptions {
  counts: SharedCounts;
  tell(worker: number, message: CoordinatorToWorker): void;
  /** @returns stops it */
  after(milliseconds: number, work: () => void): () => void;
}

const SIDES = [PAIR_SIDE_GUEST, PAIR_SIDE_AGENT] as const;

const keyOf = (a: number, b: number): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

const other = (side: Side): Side => (side === PAIR_SIDE_GUEST ? PAIR_SIDE_AGENT : PAIR_SIDE_GUEST);

export class Coordinator {
  private readonly options: CoordinatorOptions;
  private readonly turns: Turns;
  /** By kind and proof. */
  private readonly waiting = new Map<string, End>();
  private readonly pairs = new Map<string, SharedPair>();
  private readonly pairsById = new Map<number, SharedPair>();
  /** Ended before they were announced. */
  private readonly dropped = new Map<number, SharedPair>();
  private readonly broken = new Map<string, { times: number; why: number }>();
  private readonly shortcuts = new Map<number, SharedShortcut>();
  private nextPair = FIRST_SHARED_PAIR;
  private nextShortcut = 1;

  constructor(options: CoordinatorOptions) {
    this.options = options;
    this.turns = new Turns((worker, turn) => options.tell(worker, { say: "turn", turn }));
  }

  hear(worker: number, message: WorkerToCoordinator): void {
    switch (message.say) {
      case "offer":
        this.offered({ ...message, worker, awaited: new Map(), cancel: () => {} });
        break;
      case "withdraw":
        this.withdraw(worker, message.offer, message.keep);
        break;
      case "announced":
        this.announced(message.pair, message.side, message.ok);
        break;
      case "closed":
        this.closed(message.shortcut, message.side);
        break;
      case "abandon":
        this.abandoned(message.shortcut, message.side);
        break;
      case "pair ended":
        this.pairEnded(message.session, message.pair, message.reason);
        break;
      case "closed by guest":
        this.closedByGuest(message.shortcut, message.side, message.reset);
        break;
      case "left broker":
        this.leave(message.session);
        break;
      case "turned":
        this.turns.made(worker, message.turn);
        this.lookForTurns();
        break;
    }
  }

  // Offers

  private offered(end: End): void {
    const { counts, after } = this.options;
    const opposite = end.kind === "connected" ? "accepted" : "connected";
    for (const proof of end.proofs) {
      const found = this.waiting.get(`${opposite} ${proof}`);
      // Two ends of one worker find each other there.
      if (found === undefined || found.worker === end.worker) continue;
      this.forget(found);
      found.cancel();
      const [client, server] = end.kind === "connected" ? [end, found] : [found, end];
      this.match({ client, server, cancel: () => {} });
      return;
    }
    for (let worker = 0; worker < counts.workers; worker++) {
      if (worker === end.worker || !counts.mayHave(worker, end.kind)) continue;
      end.awaited.set(worker, this.turns.ask(worker));
    }
    if (end.awaited.size === 0) {
      this.unmatched(end, PATH.REMOTE_PEER);
      return;
    }
    for (const proof of end.proofs) this.waiting.set(`${end.kind} ${proof}`, end);
    end.cancel = after(WAIT_MAX, () => {
      this.forget(end);
      this.unmatched(end, PATH.NOT_IN_TIME);
    });
  }

  private forget(end: End): void {
    for (const proof of end.proofs) {
      const key = `${end.kind} ${proof}`;
      if (this.waiting.get(key) === end) this.waiting.delete(key);
    }
  }

  private unmatched(end: End, why: number): void {
    end.cancel();
    this.options.tell(end.worker, { say: "unmatched", offer: end.offer, why });
  }

  private lookForTurns(): void {
    for (const end of new Set(this.waiting.values())) {
      for (const [worker, turn] of end.awaited) {
        if (this.turns.isMade(worker, turn)) end.awaited.delete(worker);
      }
      if (end.awaited.size > 0) continue;
      this.forget(end);
      this.unmatched(end, PATH.REMOTE_PEER);
    }
  }

  private withdraw(worker: number, offer: number, keep: boolean): void {
    const is = (end: End): boolean => end.worker === worker && end.offer === offer;
    const drop = (end: End): void => {
      end.cancel();
      if (!keep) closeFd(end.fd);
    };
    for (const end of this.waiting.values()) {
      if (!is(end)) continue;
      this.forget(end);
      drop(end);
      return;
    }
    for (const { matches } of this.pairsById.values()) {
      for (const match of matches) {
        const { client, server } = match;
        if (!is(client) && !is(server)) continue;
        matches.delete(match);
        match.cancel();
        this.unmatched(is(client) ? server : client, PATH.REMOTE_PEER);
        drop(is(client) ? client : server);
        return;
      }
    }
    // Decided already: its worker abandons the end when it hears of it.
  }

  // Matches

  private relay({ client, server, cancel }: Match, why: number): void {
    cancel();
    // The accepting side first: what the connecting one sends is read there.
    this.unmatched(server, why);
    this.unmatched(client, why);
  }

  private match(match: Match): void {
    const { client, server } = match;
    const key = keyOf(client.session, server.session);
    const before = this.broken.get(key);
    if (before !== undefined && before.times >= BROKEN_MAX) {
      this.relay(match, before.why);
      return;
    }
    const shared = this.pairs.get(key) ?? this.makePair(key, match);
    if (shared === undefined) this.relay(match, PATH.NO_ROOM);
    else if (shared.announcing.size === 0) this.join(shared, match);
    else {
      shared.matches.add(match);
      match.cancel = this.options.after(PAIR_MAX, () => {
        shared.matches.delete(match);
        this.relay(match, PATH.NOT_IN_TIME);
      });
    }
  }

  /** @returns undefined when there is no memory or no descriptor */
  private makePair(key: string, { client, server }: Match): SharedPair | undefined {
    const id = this.nextPair++;
    const made = Pair.create<Member>(id, [
      { worker: client.worker, session: client.session },
      { worker: server.worker, session: server.session },
    ]);
    if (made === undefined) return undefined;
    const { pair, bytes, regionFd, doorbells } = made;
    const shared = {
      pair,
      key,
      announcing: new Set(SIDES),
      fds: [regionFd, ...doorbells],
      matches: new Set<Match>(),
    };
    this.pairs.set(key, shared);
    this.pairsById.set(id, shared);
    for (const side of SIDES) {
      const { worker, session } = pair.members[side];
      const fds = [regionFd, doorbells[side]];
      this.options.tell(worker, { say: "announce", pair: id, side, session, bytes, fds });
    }
    return shared;
  }

  private announced(id: number, side: Side, ok: boolean): void {
    const shared = this.pairsById.get(id) ?? this.dropped.get(id);
    if (shared === undefined) return;
    shared.announcing.delete(side);
    if (!ok) this.drop(shared);
    if (shared.announcing.size > 0) return;
    for (const fd of shared.fds) closeFd(fd);
    this.dropped.delete(id);
    const matches = [...shared.matches];
    shared.matches.clear();
    for (const match of matches) this.join(shared, match);
  }

  /** Both guests have the pair: gives the connection a slot of it. */
  private join({ pair }: SharedPair, match: Match): void {
    const { client, server } = match;
    match.cancel();
    const slot = pair.allocate();
    if (slot === undefined) {
      this.relay(match, PATH.NO_ROOM);
      return;
    }
    const clientSide = pair.members[PAIR_SIDE_GUEST].session === client.session ? 0 : 1;
    const offers = clientSide === PAIR_SIDE_GUEST ? [client, server] : [server, client];
    const [first, second] = offers.map(({ worker, fd }) => ({ worker, fd, closed: false }));
    const number = this.nextShortcut++;
    this.shortcuts.set(number, { pair, slot, ends: [first!, second!] });
    for (const [end, side] of [
      [server, other(clientSide)],
      [client, clientSide],
    ] as const) {
      this.options.tell(end.worker, {
        say: "matched",
        offer: end.offer,
        shortcut: number,
        pair: pair.id,
        side,
        slot,
      });
    }
  }

  // Ends

  private closed(number: number, side: Side): void {
    const shortcut = this.shortcuts.get(number);
    if (shortcut === undefined) return;
    const { ends, pair, slot } = shortcut;
    ends[side].closed = true;
    if (!ends[other(side)].closed) return;
    this.shortcuts.delete(number);
    try {
      setLinger(ends[0].fd, true, 0);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
    }
    for (const { fd } of ends) closeFd(fd);
    pair.release(slot);
  }

  /** The guest of `side` cannot have its end: the other one sees a reset. */
  private abandoned(shortcut: number, side: Side): void {
    const rest = this.shortcuts.get(shortcut)?.ends[other(side)];
    if (rest !== undefined && !rest.closed) {
      this.options.tell(rest.worker, { say: "reset", shortcut, errno: ERRNO.ECONNRESET });
    }
    this.closed(shortcut, side);
  }

  /** The guest of `side` closes, perhaps before it knew of the shortcut: then the pair is told. */
  private closedByGuest(number: number, side: Side, reset: boolean): void {
    const shortcut = this.shortcuts.get(number);
    if (shortcut === undefined || shortcut.ends[side].closed) return;
    if (!shortcut.pair.closeFor(side, shortcut.slot, reset)) return;
    const rest = shortcut.ends[other(side)];
    const events = reset ? EVENT.RESET : EVENT.FIN;
    if (!rest.closed) this.options.tell(rest.worker, { say: "notify", shortcut: number, events });
  }

  private pairEnded(session: number, id: number, reason: number): void {
    const shared = this.pairsById.get(id);
    if (shared === undefined) return;
    if (!shared.pair.members.some((member) => member.session === session)) return;
    this.drop(shared);
    if (reason === PAIR_GONE) return;
    const why = reason === PAIR_REFUSED ? PATH.NO_ROOM : PATH.PEER_BROKEN;
    const times = (this.broken.get(shared.key)?.times ?? 0) + 1;
    this.broken.set(shared.key, { times, why });
  }

  /** No slot of the pair is given out any more. */
  private drop(shared: SharedPair): void {
    const { pair, key, announcing, matches } = shared;
    if (pair.alive) pair.end();
    this.pairsById.delete(pair.id);
    if (this.pairs.get(key) === shared) this.pairs.delete(key);
    // Its descriptors are on their way still.
    if (announcing.size > 0) this.dropped.set(pair.id, shared);
    for (const match of matches) this.relay(match, PATH.NO_ROOM);
    matches.clear();
  }

  /** A guest process is gone. */
  private leave(session: number): void {
    for (const shared of this.pairsById.values()) {
      if (shared.pair.members.some((member) => member.session === session)) this.drop(shared);
    }
    for (const key of this.broken.keys()) {
      if (key.split(" ").includes(`${session}`)) this.broken.delete(key);
    }
  }

  /** The worker is gone: what it had is closed for it. Others see what its guests do. */
  lost(worker: number): void {
    this.turns.forget(worker);
    for (const end of new Set(this.waiting.values())) {
      if (end.worker !== worker) continue;
      this.forget(end);
      end.cancel();
      closeFd(end.fd);
    }
    for (const shared of [...this.pairsById.values(), ...this.dropped.values()]) {
      const { pair, matches } = shared;
      for (const match of matches) {
        const [own, rest] =
          match.client.worker === worker
            ? [match.client, match.server]
            : [match.server, match.client];
        if (own.worker !== worker) continue;
        matches.delete(match);
        match.cancel();
        closeFd(own.fd);
        this.unmatched(rest, PATH.REMOTE_PEER);
      }
      for (const side of SIDES) {
        if (pair.members[side].worker !== worker) continue;
        if (shared.announcing.has(side)) this.announced(pair.id, side, false);
        else this.drop(shared);
      }
    }
    for (const [number, { ends }] of this.shortcuts) {
      for (const side of SIDES) if (ends[side].worker === worker) this.closed(number, side);
    }
    this.lookForTurns();
  }
}
