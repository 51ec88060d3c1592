/** Guest processes as the broker sees them, and turns of an event loop that a test runs by hand. */
import type { Assignment, Offer } from "../src/shortcut/broker.ts";
import type { PairMember, Side } from "../src/shortcut/pair.ts";
import type { EndOwner } from "../src/shortcut/shortcut.ts";

export class Member implements PairMember, EndOwner {
  /** Takes pairs and lifelines. */
  willing = true;
  readonly announced: { pair: number; side: Side }[] = [];
  readonly resets: { socket: number; errno: number }[] = [];
  readonly told: { socket: number; events: number }[] = [];
  readonly lifelines: number[] = [];

  announcePair(pair: number, side: Side): boolean {
    if (this.willing) this.announced.push({ pair, side });
    return this.willing;
  }

  reset(socket: number, errno: number): void {
    this.resets.push({ socket, errno });
  }

  notify(socket: number, events: number): void {
    this.told.push({ socket, events });
  }

  guard(work: () => void): void {
    work();
  }

  sendLifelines(lifelines: readonly { socket: number; fd: number }[]): boolean {
    if (this.willing) this.lifelines.push(...lifelines.map(({ socket }) => socket));
    return this.willing;
  }
}

export class Turns {
  private queue: (() => void)[] = [];

  readonly defer = (turn: () => void): void => void this.queue.push(turn);

  run(): void {
    for (const turn of this.queue.splice(0)) turn();
  }
}

/** An offer that keeps what became of it. */
export interface Kept extends Offer {
  outcomes: (Assignment | number)[];
  taken: number[];
  givenBack: number[];
}

let sockets = 0;

/** @param take gives the descriptor, or throws */
export function offer(
  kind: Offer["kind"],
  member: Member,
  proofs: readonly string[],
  take: () => number,
  order?: string[],
): Kept {
  const kept: Kept = {
    kind,
    proofs,
    member,
    socket: ++sockets,
    outcomes: [],
    taken: [],
    givenBack: [],
    take: () => {
      const fd = take();
      kept.taken.push(fd);
      return fd;
    },
    giveBack: (fd) => void kept.givenBack.push(fd),
    settled: (outcome) => {
      order?.push(kind);
      kept.outcomes.push(outcome);
    },
  };
  return kept;
}
