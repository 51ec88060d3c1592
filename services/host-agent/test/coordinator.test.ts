import { fstatSync, openSync } from "node:fs";
import { ERRNO, PAIR_BROKEN, PATH } from "@outsock/abi";
import { closeFd } from "@outsock/hostsys";
import { afterEach, describe, expect, it } from "vitest";
import { Coordinator } from "../src/workers/coordinator.ts";
import type { CoordinatorToWorker, RemoteOffer } from "../src/workers/messages.ts";
import { SharedCounts } from "../src/workers/shared-counts.ts";
import { FIRST_SHARED_PAIR } from "../src/workers/worker-broker.ts";

const opened: number[] = [];

/** A descriptor that stands for a kernel connection. */
function descriptor(): number {
  const fd = openSync("/dev/null", "r");
  opened.push(fd);
  return fd;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

afterEach(() => {
  for (const fd of opened.splice(0)) if (isOpen(fd)) closeFd(fd);
});

/** A coordinator of two workers in which guests listen and connect, and what it told them. */
function setUp() {
  const counts = new SharedCounts(2);
  for (const worker of [0, 1]) {
    counts.connecting(worker);
    counts.listening(worker);
  }
  const told: { worker: number; message: CoordinatorToWorker }[] = [];
  const timers = new Set<{ milliseconds: number; work: () => void }>();
  const coordinator = new Coordinator({
    counts,
    tell: (worker, message) => told.push({ worker, message }),
    after: (milliseconds, work) => {
      const timer = { milliseconds, work };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  });
  const expire = (): void => {
    for (const timer of timers) {
      timers.delete(timer);
      timer.work();
    }
  };
  const of = <S extends CoordinatorToWorker["say"]>(worker: number, say: S) =>
    told
      .filter((one) => one.worker === worker && one.message.say === say)
      .map(({ message }) => message as CoordinatorToWorker & { say: S });
  /** A guest's end: session 10 is of worker 0, session 20 of worker 1. */
  const offer = (worker: number, fields: Partial<RemoteOffer> = {}): number => {
    const fd = fields.fd ?? descriptor();
    coordinator.hear(worker, {
      say: "offer",
      offer: 1,
      kind: worker === 0 ? "connected" : "accepted",
      proofs: ["one"],
      session: worker === 0 ? 10 : 20,
      ...fields,
      fd,
    });
    return fd;
  };
  const announced = (ok = true, pair = FIRST_SHARED_PAIR): void => {
    coordinator.hear(0, { say: "announced", pair, side: 0, ok: true });
    coordinator.hear(1, { say: "announced", pair, side: 1, ok });
  };
  return { counts, coordinator, told, timers, expire, of, offer, announced };
}

describe("ends of two workers", () => {
  it("are matched by their proof; the pair comes first, both get one slot", () => {
    const { of, offer, announced, timers } = setUp();
    offer(0);
    offer(1, { proofs: ["else", "one"] });
    expect(of(0, "announce")).toMatchObject([{ pair: FIRST_SHARED_PAIR, side: 0, session: 10 }]);
    expect(of(1, "announce")).toMatchObject([{ pair: FIRST_SHARED_PAIR, side: 1, session: 20 }]);
    expect(of(0, "matched")).toEqual([]);
    announced();
    const [client] = of(0, "matched");
    const [server] = of(1, "matched");
    expect(client).toMatchObject({ offer: 1, shortcut: 1, pair: FIRST_SHARED_PAIR, side: 0 });
    expect(server).toMatchObject({ offer: 1, shortcut: 1, pair: FIRST_SHARED_PAIR, side: 1 });
    expect(server!.slot).toEqual(client!.slot);
    expect(timers.size).toBe(0);
  });

  it("of the same guests again: the pair is there already, in either direction", () => {
    const { of, offer, announced } = setUp();
    offer(0);
    offer(1);
    announced();
    offer(1, { offer: 2, kind: "connected", proofs: ["two"] });
    offer(0, { offer: 2, kind: "accepted", proofs: ["two"] });
    expect(of(0, "announce")).toHaveLength(1);
    expect(of(0, "matched")[1]).toMatchObject({ offer: 2, side: 0, shortcut: 2 });
    expect(of(1, "matched")[1]).toMatchObject({ offer: 2, side: 1, shortcut: 2 });
  });

  it("of one worker are left to it; two of one kind are no connection", () => {
    const { of, offer } = setUp();
    offer(0);
    offer(0, { offer: 2, kind: "accepted" });
    offer(1, { kind: "connected" });
    // Left: the accepted end of worker 0 and the connected one of worker 1.
    expect(of(0, "announce")).toHaveLength(1);
    expect(of(1, "announce")).toMatchObject([{ side: 0 }]);
  });

  it("the guest cannot take the pair: both ends are relayed, descriptors stay open", () => {
    const { of, offer, announced } = setUp();
    const fds = [offer(0), offer(1)];
    announced(false);
    for (const worker of [0, 1]) {
      expect(of(worker, "unmatched")).toMatchObject([{ offer: 1, why: PATH.NO_ROOM }]);
    }
    expect(fds.map(isOpen)).toEqual([true, true]);
    expect(of(0, "announce")[0]!.fds.map(isOpen)).toEqual([false, false]);
  });

  it("the pair is not taken in time: both are relayed; later ones use it all the same", () => {
    const { of, offer, announced, expire } = setUp();
    offer(0);
    offer(1);
    expire();
    for (const worker of [0, 1]) {
      expect(of(worker, "unmatched")).toMatchObject([{ why: PATH.NOT_IN_TIME }]);
    }
    announced();
    offer(0, { offer: 2, proofs: ["two"] });
    offer(1, { offer: 2, proofs: ["two"] });
    expect(of(0, "matched")).toMatchObject([{ offer: 2 }]);
  });
});

describe("an end alone", () => {
  it("is unmatched once every worker that may have the other one has made its turns", () => {
    const { of, offer, coordinator } = setUp();
    const fd = offer(0);
    expect(of(1, "turn")).toEqual([{ say: "turn", turn: 1 }]);
    // Whoever comes while the question is under way waits for the next one.
    offer(0, { offer: 2, proofs: ["two"] });
    coordinator.hear(1, { say: "turned", turn: 1 });
    expect(of(0, "unmatched")).toMatchObject([{ offer: 1, why: PATH.REMOTE_PEER }]);
    expect(of(1, "turn")).toHaveLength(2);
    coordinator.hear(1, { say: "turned", turn: 2 });
    expect(of(0, "unmatched")).toMatchObject([{ offer: 1 }, { offer: 2 }]);
    expect(isOpen(fd)).toBe(true);
  });

  it("is unmatched at once when nobody elsewhere listens or connects", () => {
    const { of, offer, counts } = setUp();
    counts.clear(1);
    offer(0);
    offer(0, { offer: 2, kind: "accepted", proofs: ["two"] });
    expect(of(0, "unmatched")).toHaveLength(2);
    expect(of(1, "turn")).toEqual([]);
  });

  it("is unmatched when the other worker is too busy to answer", () => {
    const { of, offer, expire } = setUp();
    offer(0);
    expire();
    expect(of(0, "unmatched")).toMatchObject([{ why: PATH.NOT_IN_TIME }]);
    // Its other end comes too late, and learns the same.
    offer(1);
    expire();
    expect(of(1, "unmatched")).toMatchObject([{ why: PATH.NOT_IN_TIME }]);
  });

  it("that is withdrawn is closed, unless its worker keeps it; its peer finds nobody", () => {
    const { of, offer, coordinator } = setUp();
    const closed = offer(0);
    coordinator.hear(0, { say: "withdraw", offer: 1, keep: false });
    expect(isOpen(closed)).toBe(false);
    const kept = offer(0, { offer: 2, proofs: ["two"] });
    coordinator.hear(0, { say: "withdraw", offer: 2, keep: true });
    expect(isOpen(kept)).toBe(true);
    offer(1);
    expect(of(1, "announce")).toEqual([]);
  });

  it("withdrawn while the pair is announced: the other end is relayed", () => {
    const { of, offer, coordinator, announced } = setUp();
    const fd = offer(0);
    offer(1);
    coordinator.hear(0, { say: "withdraw", offer: 1, keep: false });
    announced();
    expect(isOpen(fd)).toBe(false);
    expect(of(1, "unmatched")).toMatchObject([{ why: PATH.REMOTE_PEER }]);
    expect(of(1, "matched")).toEqual([]);
  });
});

describe("a shortcut of two workers", () => {
  function established() {
    const all = setUp();
    const fds = [all.offer(0), all.offer(1)];
    all.announced();
    return { ...all, fds };
  }

  it("keeps both kernel ends open until both guests have closed", () => {
    const { coordinator, fds } = established();
    coordinator.hear(0, { say: "closed", shortcut: 1, side: 0 });
    coordinator.hear(0, { say: "closed", shortcut: 1, side: 0 });
    expect(fds.map(isOpen)).toEqual([true, true]);
    coordinator.hear(1, { say: "closed", shortcut: 1, side: 1 });
    expect(fds.map(isOpen)).toEqual([false, false]);
  });

  it("one guest cannot have its end: the other one is reset", () => {
    const { coordinator, of, fds } = established();
    coordinator.hear(1, { say: "abandon", shortcut: 1, side: 1 });
    expect(of(0, "reset")).toEqual([{ say: "reset", shortcut: 1, errno: ERRNO.ECONNRESET }]);
    coordinator.hear(0, { say: "closed", shortcut: 1, side: 0 });
    expect(fds.map(isOpen)).toEqual([false, false]);
  });

  it("outlives its worker: the other guest is not told, and closes the rest", () => {
    const { coordinator, of, fds } = established();
    coordinator.lost(1);
    expect(of(0, "reset")).toEqual([]);
    expect(fds.map(isOpen)).toEqual([true, true]);
    coordinator.hear(0, { say: "closed", shortcut: 1, side: 0 });
    expect(fds.map(isOpen)).toEqual([false, false]);
  });

  it("guests whose pairs broke three times get no further one", () => {
    const { coordinator, of, offer, announced } = established();
    for (let n = 0; n < 3; n++) {
      const pair = FIRST_SHARED_PAIR + n;
      coordinator.hear(0, { say: "pair ended", session: 10, pair, reason: PAIR_BROKEN });
      offer(0, { offer: 2 + n });
      offer(1, { offer: 2 + n });
      if (n < 2) announced(true, pair + 1);
    }
    expect(of(0, "unmatched")).toMatchObject([{ offer: 4, why: PATH.PEER_BROKEN }]);
    expect(of(0, "matched")).toHaveLength(3);
  });

  it("a guest ends a pair that is none of its own: nothing happens", () => {
    const { coordinator, of, offer } = established();
    coordinator.hear(0, {
      say: "pair ended",
      session: 11,
      pair: FIRST_SHARED_PAIR,
      reason: PAIR_BROKEN,
    });
    offer(0, { offer: 2 });
    offer(1, { offer: 2 });
    expect(of(0, "matched")).toHaveLength(2);
  });
});

describe("a worker is lost", () => {
  it("what it offered is closed, and nobody waits for it", () => {
    const { coordinator, of, offer, counts } = setUp();
    const fd = offer(1);
    offer(0, { proofs: ["two"] });
    counts.clear(1);
    coordinator.lost(1);
    expect(isOpen(fd)).toBe(false);
    expect(of(0, "unmatched")).toMatchObject([{ why: PATH.REMOTE_PEER }]);
  });

  it("while a pair is announced: the other end is relayed, the pair's descriptors close", () => {
    const { coordinator, of, offer } = setUp();
    offer(0);
    const fd = offer(1);
    coordinator.lost(1);
    expect(isOpen(fd)).toBe(false);
    expect(of(0, "unmatched")).toMatchObject([{ why: PATH.REMOTE_PEER }]);
    coordinator.hear(0, { say: "announced", pair: FIRST_SHARED_PAIR, side: 0, ok: true });
    expect(of(0, "announce")[0]!.fds.map(isOpen)).toEqual([false, false]);
    expect(of(0, "matched")).toEqual([]);
  });
});
