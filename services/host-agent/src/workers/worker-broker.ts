/**
 * Where the guests of one worker offer their ends: among themselves, and to all workers.
 *
 * Theory of operation. The two ends of a connection are either both of this worker or of two. So
 * an end may wait in both places at once, and at most one of them finds the other end: the local
 * broker matches only ends of this worker, the coordinator (coordinator.ts) only ends of different
 * ones. An end is on the relay once both have said that there is none.
 *
 * What cannot be another worker's guest (the peer's address, or nobody elsewhere listens or
 * connects: shared-counts.ts) is offered here alone, and costs what it costs without workers.
 *
 * The kernel's end goes to the coordinator with the offer, and comes back with `unmatched`. An
 * offer that is withdrawn may have been matched meanwhile: then its end is abandoned, which the
 * peer sees as a reset.
 */
import { PATH } from "@outsock/abi";
import { SysError } from "@outsock/hostsys";
import type { Broker, Matchmaker, Offer } from "../shortcut/broker.ts";
import type { Lifelines } from "../shortcut/lifelines.ts";
import type { PairMember } from "../shortcut/pair.ts";
import type { EndOwner } from "../shortcut/shortcut.ts";
import { HalfShortcut } from "./half-shortcut.ts";
import type { CoordinatorToWorker, WorkerToCoordinator } from "./messages.ts";
import type { SharedCounts } from "./shared-counts.ts";

/** Pairs of the coordinator have numbers from here on, those of a worker below. */
export const FIRST_SHARED_PAIR = 2 ** 31;

/** Turns of the event loop after which whatever came in before has been offered. */
const TURNS = 3;

type Member = PairMember & EndOwner;

/** An offer that is out. */
interface Out {
  number: number;
  offer: Offer;
  local: Offer;
  /** Given to the coordinator. */
  fd: number;
  waitsHere: boolean;
  waitsThere: boolean;
  /** Accepted ends elsewhere may wait for it; takes that back. */
  uncount: () => void;
  /** Why there is no shortcut, as far as it is known (PATH). */
  why: number;
}

export interface WorkerBrokerOptions {
  worker: number;
  local: Broker;
  lifelines: Pick<Lifelines, "add" | "remove">;
  counts: SharedCounts;
  defer(turn: () => void): void;
  tell(message: WorkerToCoordinator): void;
}

export class WorkerBroker implements Matchmaker {
  private readonly options: WorkerBrokerOptions;
  private readonly byNumber = new Map<number, Out>();
  private readonly byOffer = new Map<Offer, Out>();
  private readonly halves = new Map<number, HalfShortcut>();
  private readonly numbers = new Map<PairMember, number>();
  private readonly members = new Map<number, Member>();
  /** Shared pairs that a member was told of. */
  private readonly pairs = new Map<PairMember, Set<number>>();
  private nextOffer = 1;

  constructor(options: WorkerBrokerOptions) {
    this.options = options;
  }

  /** The session has that number among all workers'. */
  enter(member: Member, session: number): void {
    this.numbers.set(member, session);
    this.members.set(session, member);
  }

  // Matchmaker

  get abroad(): boolean {
    const { counts, worker } = this.options;
    return counts.elsewhere(worker, "connected");
  }

  expectOffer(abroad: boolean): () => void {
    const { counts, worker, local } = this.options;
    const here = local.expectOffer();
    const there = abroad && this.abroad ? counts.connecting(worker) : undefined;
    return () => {
      here();
      there?.();
    };
  }

  offer(offer: Offer): void {
    const { counts, worker, local } = this.options;
    const session = this.numbers.get(offer.member);
    const abroad = offer.abroad && offer.proofs.length > 0 && counts.elsewhere(worker, offer.kind);
    if (!abroad || session === undefined) {
      local.offer(offer);
      return;
    }
    const out: Out = {
      number: this.nextOffer++,
      offer,
      local: {
        ...offer,
        take: () => (out.fd === -1 ? offer.take() : out.fd),
        giveBack: (fd) => {
          if (out.fd === -1) offer.giveBack(fd);
        },
        settled: (outcome) => {
          out.waitsHere = false;
          if (typeof outcome === "number") this.settleIfOver(out, outcome);
          else {
            this.recall(out, true);
            offer.settled(outcome);
          }
        },
      },
      fd: -1,
      waitsHere: true,
      waitsThere: true,
      uncount: offer.kind === "connected" ? counts.connecting(worker) : () => {},
      why: PATH.REMOTE_PEER,
    };
    this.byOffer.set(offer, out);
    this.byNumber.set(out.number, out);
    local.offer(out.local);
    if (!this.byOffer.has(offer)) return;
    try {
      out.fd = offer.take();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      out.waitsThere = false;
      this.settleIfOver(out, PATH.NO_ROOM);
      return;
    }
    const { kind, proofs } = offer;
    this.tell({ say: "offer", offer: out.number, kind, proofs, session, fd: out.fd });
  }

  withdraw(offer: Offer): void {
    const out = this.byOffer.get(offer);
    if (out === undefined) {
      this.options.local.withdraw(offer);
      return;
    }
    this.options.local.withdraw(out.local);
    this.recall(out, false);
  }

  pairEnded(member: PairMember, id: number, reason: number): boolean {
    if (id < FIRST_SHARED_PAIR) return this.options.local.pairEnded(member, id, reason);
    const session = this.numbers.get(member);
    if (session === undefined || !this.pairs.get(member)?.has(id)) return false;
    this.tell({ say: "pair ended", session, pair: id, reason });
    return true;
  }

  leave(member: PairMember): void {
    this.options.local.leave(member);
    const session = this.numbers.get(member);
    this.numbers.delete(member);
    this.pairs.delete(member);
    if (session === undefined) return;
    this.members.delete(session);
    this.tell({ say: "left broker", session });
  }

  // Of the coordinator

  hear(message: CoordinatorToWorker): void {
    switch (message.say) {
      case "unmatched": {
        const out = this.byNumber.get(message.offer);
        if (out === undefined) break;
        out.waitsThere = false;
        this.settleIfOver(out, message.why);
        break;
      }
      case "matched":
        this.matched(message);
        break;
      case "announce":
        this.announce(message);
        break;
      case "reset":
        this.halves.get(message.shortcut)?.reset(message.errno);
        break;
      case "notify":
        this.halves.get(message.shortcut)?.notify(message.events);
        break;
      case "turn":
        this.afterTurns(TURNS, () => this.tell({ say: "turned", turn: message.turn }));
        break;
    }
  }

  private matched(message: CoordinatorToWorker & { say: "matched" }): void {
    const { shortcut: number, pair, slot, side } = message;
    const out = this.byNumber.get(message.offer);
    if (out === undefined) {
      this.tell({ say: "abandon", shortcut: number, side });
      return;
    }
    this.forget(out);
    if (out.waitsHere) this.options.local.withdraw(out.local);
    const { offer, fd } = out;
    const shortcut = new HalfShortcut({
      pair,
      slot,
      side,
      fd,
      owner: offer.member,
      socket: offer.socket,
      onClosedByGuest: (reset) => {
        this.tell({ say: "closed by guest", shortcut: number, side, reset });
      },
      onClosed: (half) => {
        this.halves.delete(number);
        this.options.lifelines.remove(half);
        this.tell({ say: half.abandoned ? "abandon" : "closed", shortcut: number, side });
      },
    });
    this.halves.set(number, shortcut);
    this.options.lifelines.add(shortcut);
    offer.settled({ shortcut, side });
  }

  private announce(message: CoordinatorToWorker & { say: "announce" }): void {
    const { pair, side, session, bytes, fds } = message;
    const member = this.members.get(session);
    const ok = member?.announcePair(pair, side, bytes, fds) ?? false;
    if (ok && member !== undefined) {
      const told = this.pairs.get(member) ?? new Set();
      told.add(pair);
      this.pairs.set(member, told);
    }
    this.tell({ say: "announced", pair, side, ok });
  }

  private afterTurns(turns: number, then: () => void): void {
    if (turns === 0) then();
    else this.options.defer(() => this.afterTurns(turns - 1, then));
  }

  private settleIfOver(out: Out, why: number): void {
    if (out.why === PATH.REMOTE_PEER) out.why = why;
    if (out.waitsHere || out.waitsThere) return;
    this.forget(out);
    if (out.fd !== -1) out.offer.giveBack(out.fd);
    out.offer.settled(out.why);
  }

  /** @param keep the kernel's end stays here */
  private recall(out: Out, keep: boolean): void {
    this.forget(out);
    if (out.fd !== -1 && out.waitsThere) {
      this.tell({ say: "withdraw", offer: out.number, keep });
    } else if (out.fd !== -1 && !keep) out.offer.giveBack(out.fd);
  }

  private forget(out: Out): void {
    out.uncount();
    this.byOffer.delete(out.offer);
    this.byNumber.delete(out.number);
  }

  private tell(message: WorkerToCoordinator): void {
    this.options.tell(message);
  }
}
