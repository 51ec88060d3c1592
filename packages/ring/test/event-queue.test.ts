import {
  EventNotifier,
  EventTaker,
  Port,
  type PortPlace,
  type QueuePlace,
  RingCorrupted,
} from "@outsock/ring";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const SOCKETS = 8;

function makeQueue(start = 0, capacity = SOCKETS) {
  const buffer = new ArrayBuffer(4 * (16 + capacity + SOCKETS));
  const memory = { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
  const place: QueuePlace = {
    tailWord: 0,
    headWord: 1,
    firstWord: 16,
    capacity,
    pendingWord: 16 + capacity,
    pendingStride: 1,
    sockets: SOCKETS,
  };
  memory.words[0] = start;
  memory.words[1] = start;
  return {
    memory,
    place,
    notifier: new EventNotifier(memory, place),
    taker: new EventTaker(memory, place),
  };
}

const starts = fc.constantFrom(0, -1, -5, 2 ** 31 - 1, 2 ** 31 - 7, -(2 ** 31));

describe("an event queue", () => {
  it("any notifications and takes: every bit is taken once, in order of first notification", () => {
    const action = fc.oneof(
      { weight: 2, arbitrary: fc.tuple(fc.nat(SOCKETS - 1), fc.integer({ min: 1, max: 15 })) },
      { weight: 1, arbitrary: fc.constant("take" as const) },
    );
    fc.assert(
      fc.property(starts, fc.array(action, { maxLength: 200 }), (start, actions) => {
        const { notifier, taker } = makeQueue(start);
        const model = new Map<number, number>();
        const takeOne = (): void => {
          const first = model.entries().next().value;
          expect(taker.empty()).toBe(first === undefined);
          expect(taker.take()).toBe(first === undefined ? -1 : first[0]);
          if (first === undefined) return;
          expect(taker.events).toBe(first[1]);
          model.delete(first[0]);
        };
        for (const action of actions) {
          if (action === "take") {
            takeOne();
          } else {
            notifier.notify(...action);
            model.set(action[0], (model.get(action[0]) ?? 0) | action[1]);
          }
        }
        while (model.size > 0) takeOne();
        takeOne();
      }),
      { numRuns: 2000 },
    );
  });

  it("all sockets at once, over and over: never full", () => {
    const { notifier, taker } = makeQueue(2 ** 31 - 20);
    for (let round = 0; round < 10; round++) {
      for (let twice = 0; twice < 2; twice++) {
        for (let socket = 0; socket < SOCKETS; socket++) notifier.notify(socket, 1 << twice);
      }
      for (let socket = 0; socket < SOCKETS; socket++) {
        expect(taker.take()).toBe(socket);
        expect(taker.events).toBe(3);
      }
      expect(taker.take()).toBe(-1);
    }
  });

  it("a hostile peer that writes any words: sockets in range or RingCorrupted", () => {
    fc.assert(
      fc.property(
        starts,
        fc.array(fc.tuple(fc.nat(15 + SOCKETS * 2), fc.integer(), fc.boolean()), { maxLength: 30 }),
        (start, writes) => {
          const { memory, notifier, taker } = makeQueue(start);
          for (const [word, value, small] of writes) {
            memory.words[word] = small ? start + (value & 7) : value;
            for (const use of [
              () => {
                // Bounded by the caller: a hostile peer may go on for ever.
                for (let turn = 0; turn < SOCKETS; turn++) {
                  const socket = taker.take();
                  expect(socket).toBeGreaterThanOrEqual(-1);
                  expect(socket).toBeLessThan(SOCKETS);
                }
              },
              () => notifier.notify(value & (SOCKETS - 1), 1),
            ]) {
              try {
                use();
              } catch (error) {
                if (!(error instanceof RingCorrupted)) throw error;
              }
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("entry that names a socket beyond the table: RingCorrupted, head not moved", () => {
    const { memory, taker } = makeQueue();
    memory.words[16] = SOCKETS;
    memory.words[0] = 1;
    expect(() => taker.take()).toThrow(`event queue names socket ${SOCKETS} of ${SOCKETS}`);
    memory.words[16] = -1;
    expect(() => taker.take()).toThrow(RingCorrupted);
    expect(memory.words[1]).toBe(0);
  });

  it("head beyond the tail or a queue that is full: notify throws RingCorrupted", () => {
    const ahead = makeQueue();
    ahead.memory.words[1] = 1;
    expect(() => ahead.notifier.notify(0, 1)).toThrow("fill -1");
    const full = makeQueue();
    full.memory.words[1] = -SOCKETS;
    expect(() => full.notifier.notify(0, 1)).toThrow(`fill ${SOCKETS}`);
  });
});

describe("a port", () => {
  function makePorts(defer?: (turn: () => void) => void) {
    const capacity = 2;
    const memory = (() => {
      const buffer = new ArrayBuffer(128);
      return { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
    })();
    const queue = (first: number): QueuePlace => ({
      tailWord: first,
      headWord: first + 1,
      firstWord: first + 2,
      capacity,
      pendingWord: first + 4,
      pendingStride: 1,
      sockets: 2,
    });
    const place = (incoming: QueuePlace, outgoing: QueuePlace, own: number): PortPlace => ({
      incoming,
      outgoing,
      sleepingWord: own,
      peerSleepingWord: 1 - own,
    });
    const rings = { a: 0, b: 0 };
    return {
      rings,
      a: new Port(memory, place(queue(8), queue(16), 0), { ring: () => void rings.b++ }, defer),
      b: new Port(memory, place(queue(16), queue(8), 1), { ring: () => void rings.a++ }),
    };
  }

  it("peer awake: no doorbell", () => {
    const { a, b, rings } = makePorts();
    a.notify(0, 1);
    expect(rings.b).toBe(0);
    expect(b.taker.take()).toBe(0);
    expect(a.counters).toMatchObject({ doorbellsSent: 0, doorbellsSaved: 1 });
  });

  it("peer asleep: one doorbell for any number of notifications", () => {
    const { a, b, rings } = makePorts();
    expect(b.trySleep()).toBe(true);
    a.notify(0, 1);
    a.notify(1, 1);
    a.notify(1, 2);
    expect(rings.b).toBe(1);
    expect(a.counters).toMatchObject({ doorbellsSent: 1, doorbellsSaved: 2 });
    b.wake();
    expect(b.taker.take()).toBe(0);
    expect(b.taker.take()).toBe(1);
    expect(b.taker.events).toBe(3);
  });

  it("events already there: does not sleep, and the peer does not ring", () => {
    const { a, b, rings } = makePorts();
    a.notify(0, 1);
    expect(b.trySleep()).toBe(false);
    a.notify(1, 1);
    expect(rings.b).toBe(0);
  });

  it("a burst in one turn while the peer falls asleep again and again: two doorbells at most", () => {
    const turns: (() => void)[] = [];
    const { a, b, rings } = makePorts((turn) => turns.push(turn));
    for (let turn = 1; turn <= 3; turn++) {
      for (let n = 0; n < 1000; n++) {
        // The peer is quick: it takes each event before the next one comes, and sleeps.
        if (b.taker.take() === -1) b.trySleep();
        a.notify(n & 1, 1);
      }
      expect(rings.b).toBe(2 * turn - 1);
      while (b.taker.take() !== -1);
      b.trySleep();
      a.notify(0, 1);
      expect(turns.length).toBe(1);
      turns.pop()!();
      expect(rings.b).toBe(2 * turn);
      b.wake();
      while (b.taker.take() !== -1);
      b.trySleep();
    }
    const { doorbellsSent, doorbellsSaved } = a.counters;
    expect({ doorbellsSent, doorbellsSaved }).toEqual({ doorbellsSent: 6, doorbellsSaved: 3000 });
  });

  it("one notification in a turn: one doorbell, none at the end of the turn", () => {
    const turns: (() => void)[] = [];
    const { a, b, rings } = makePorts((turn) => turns.push(turn));
    b.trySleep();
    a.notify(0, 1);
    turns.pop()!();
    expect(rings.b).toBe(1);
    expect(turns).toEqual([]);
  });

  it("closed before the turn ends: the memory is not touched any more", () => {
    const turns: (() => void)[] = [];
    const { a, b, rings } = makePorts((turn) => turns.push(turn));
    b.trySleep();
    a.notify(0, 1);
    b.trySleep();
    a.close();
    turns.pop()!();
    expect(rings.b).toBe(1);
  });

  it("wake-ups: counted once for each sleep", () => {
    const { a, b } = makePorts();
    b.wake();
    expect(b.counters.wakeups).toBe(0);
    b.trySleep();
    b.wake();
    b.wake();
    a.notify(0, 1);
    expect(b.trySleep()).toBe(false);
    b.wake();
    expect(b.counters.wakeups).toBe(1);
  });
});
