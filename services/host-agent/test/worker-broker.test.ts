import { PAIR_BROKEN, PATH } from "@outsock/abi";
import { describe, expect, it } from "vitest";
import { type Assignment, Broker, type Offer } from "../src/shortcut/broker.ts";
import type { WorkerToCoordinator } from "../src/workers/messages.ts";
import { SharedCounts } from "../src/workers/shared-counts.ts";
import { FIRST_SHARED_PAIR, WorkerBroker } from "../src/workers/worker-broker.ts";

const SLOT = {
  number: 1,
  rings: { txOffset: 0, txCapacity: 4096, rxOffset: 4096, rxCapacity: 4096 },
};

function member(name: string) {
  const seen: string[] = [];
  return {
    name,
    seen,
    announcePair: (pair: number) => {
      seen.push(`pair ${pair}`);
      return true;
    },
    reset: (socket: number, errno: number) => void seen.push(`reset ${socket} ${errno}`),
    sendLifelines: () => true,
  };
}

/** The broker of worker 0 of two; guests of worker 1 listen and connect. */
function setUp() {
  const counts = new SharedCounts(2);
  counts.connecting(1);
  counts.listening(1);
  const told: WorkerToCoordinator[] = [];
  const turns: (() => void)[] = [];
  const defer = (turn: () => void): void => void turns.push(turn);
  const tended = new Set<object>();
  const broker = new WorkerBroker({
    worker: 0,
    local: new Broker({ defer, onMade: () => {}, onOver: () => {} }),
    lifelines: { add: (one) => void tended.add(one), remove: (one) => void tended.delete(one) },
    counts,
    defer,
    tell: (message) => told.push(message),
  });
  const a = member("a");
  const b = member("b");
  broker.enter(a, 1);
  broker.enter(b, 2);
  const turn = (): void => {
    for (const work of turns.splice(0)) work();
  };
  const offer = (fields: Partial<Offer> = {}) => {
    const outcomes: (Assignment | number)[] = [];
    const back: number[] = [];
    const made: Offer = {
      kind: "connected",
      proofs: ["one"],
      member: a,
      socket: 7,
      abroad: true,
      take: () => 1000,
      giveBack: (fd) => void back.push(fd),
      settled: (outcome) => void outcomes.push(outcome),
      ...fields,
    };
    broker.offer(made);
    return { made, outcomes, back };
  };
  return { broker, counts, told, turn, offer, tended, a, b };
}

const MATCHED = {
  say: "matched",
  offer: 1,
  shortcut: 5,
  pair: FIRST_SHARED_PAIR,
  side: 0,
  slot: SLOT,
} as const;

describe("an end that may be of two workers", () => {
  it("is relayed once neither this worker nor another has the other end", () => {
    const { broker, told, turn, offer } = setUp();
    const { outcomes, back } = offer();
    expect(told).toMatchObject([{ say: "offer", offer: 1, session: 1, fd: 1000 }]);
    for (let n = 0; n < 3; n++) turn();
    expect(outcomes).toEqual([]);
    broker.hear({ say: "unmatched", offer: 1, why: PATH.NOT_IN_TIME });
    expect(outcomes).toEqual([PATH.NOT_IN_TIME]);
    expect(back).toEqual([1000]);
  });

  it("matched elsewhere: is a shortcut, and tells when it is closed", () => {
    const { broker, told, offer, tended } = setUp();
    const { outcomes } = offer();
    broker.hear(MATCHED);
    const { shortcut, side } = outcomes[0] as Assignment;
    expect(shortcut.pair.id).toBe(FIRST_SHARED_PAIR);
    expect(shortcut.ends[side].fd).toBe(1000);
    expect(tended.size).toBe(1);
    shortcut.close(side);
    shortcut.close(side);
    expect(told.slice(1)).toEqual([{ say: "closed", shortcut: 5, side: 0 }]);
    expect(tended.size).toBe(0);
  });

  it("reset of its shortcut: its guest is told; after it has closed nobody is", () => {
    const { broker, offer, a } = setUp();
    const { outcomes } = offer();
    broker.hear(MATCHED);
    broker.hear({ say: "reset", shortcut: 5, errno: 104 });
    expect(a.seen).toEqual(["reset 7 104"]);
    const { shortcut, side } = outcomes[0] as Assignment;
    shortcut.close(side);
    broker.hear({ say: "reset", shortcut: 5, errno: 104 });
    expect(a.seen).toHaveLength(1);
  });

  it("withdrawn while it is matched elsewhere: that end is abandoned", () => {
    const { broker, told, offer } = setUp();
    const { made, outcomes } = offer();
    broker.withdraw(made);
    broker.hear(MATCHED);
    expect(told.slice(1)).toEqual([
      { say: "withdraw", offer: 1, keep: false },
      { say: "abandon", shortcut: 5, side: 0 },
    ]);
    expect(outcomes).toEqual([]);
  });

  it("its other end comes in this worker: matched here, called back there", () => {
    const { told, offer, b } = setUp();
    const one = offer();
    const two = offer({ kind: "accepted", member: b });
    expect(one.outcomes[0]).toHaveProperty("shortcut");
    expect(two.outcomes[0]).toHaveProperty("shortcut");
    expect(told.map(({ say }) => say)).toEqual(["offer", "withdraw"]);
    expect(told[1]).toMatchObject({ keep: true });
  });

  it("counts as connecting until it is settled, for those that accept elsewhere", () => {
    const { broker, counts, turn, offer } = setUp();
    const over = broker.expectOffer(true);
    offer();
    over();
    expect(counts.mayHave(0, "accepted")).toBe(true);
    for (let n = 0; n < 3; n++) turn();
    broker.hear({ say: "unmatched", offer: 1, why: PATH.REMOTE_PEER });
    expect(counts.mayHave(0, "accepted")).toBe(false);
  });
});

describe("an end that cannot be of two workers", () => {
  it.each([
    ["its peer is no guest's address", { abroad: false }, false],
    ["nobody listens elsewhere", {}, true],
  ])("%s: no message", (_name, fields, clear) => {
    const { counts, told, turn, offer } = setUp();
    if (clear) counts.clear(1);
    const { outcomes } = offer(fields);
    for (let n = 0; n < 3; n++) turn();
    expect(outcomes).toEqual([PATH.REMOTE_PEER]);
    expect(told).toEqual([]);
  });
});

describe("pairs of several workers", () => {
  it("a guest may end those that it was told of, and no other", () => {
    const { broker, told, a, b } = setUp();
    const announce = { say: "announce", pair: FIRST_SHARED_PAIR, side: 0, bytes: 1 } as const;
    broker.hear({ ...announce, session: 1, fds: [1, 2] });
    expect(a.seen).toEqual([`pair ${FIRST_SHARED_PAIR}`]);
    expect(broker.pairEnded(b, FIRST_SHARED_PAIR, PAIR_BROKEN)).toBe(false);
    expect(broker.pairEnded(a, FIRST_SHARED_PAIR + 1, PAIR_BROKEN)).toBe(false);
    expect(broker.pairEnded(a, FIRST_SHARED_PAIR, PAIR_BROKEN)).toBe(true);
    expect(told).toEqual([
      { say: "announced", pair: FIRST_SHARED_PAIR, side: 0, ok: true },
      { say: "pair ended", session: 1, pair: FIRST_SHARED_PAIR, reason: PAIR_BROKEN },
    ]);
  });

  it("a guest that has left does not take one", () => {
    const { broker, told, a } = setUp();
    broker.leave(a);
    const announce = { say: "announce", pair: FIRST_SHARED_PAIR, side: 0, bytes: 1 } as const;
    broker.hear({ ...announce, session: 1, fds: [1, 2] });
    expect(told[0]).toEqual({ say: "left broker", session: 1 });
    expect(told[1]).toMatchObject({ say: "announced", ok: false });
  });
});
