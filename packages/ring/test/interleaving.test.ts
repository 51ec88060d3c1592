/**
 * Every interleaving of a guest that sends and an agent that receives, at the granularity of
 * atomic operations (see model-check.ts), over the real ring, queue and port. Then the same with
 * one line of the protocol broken at a time: the checker has to notice each.
 */
import { EVENT } from "@outsock/abi";
import {
  type EventTaker,
  Port,
  type PortPlace,
  RingConsumer,
  RingProducer,
  type SharedMemory,
} from "@outsock/ring";
import { describe, expect, it, vi } from "vitest";
import { explore, type Side, type Verdict } from "./model-check.ts";
import { eventTurn, inner, type Parts, portObjects, REAL, stream } from "./stream-model.ts";
import {
  AGENT_PORT,
  bell,
  CAPACITY,
  GUEST_PORT,
  ringPlace,
  tinyRegion,
  WORD,
} from "./tiny-region.ts";

vi.setConfig({ testTimeout: 60_000 });

/** Both send, both receive, both sleep: requests of `ask` bytes, each answered by `answer` bytes. */
function pingPong(rounds: number, ask: number, answer: number): Verdict {
  const world = tinyRegion(-4);
  const side = (guest: boolean): Side => {
    const ownBell = guest ? WORD.GUEST_BELL : WORD.AGENT_BELL;
    const peerBell = guest ? WORD.AGENT_BELL : WORD.GUEST_BELL;
    const port = new Port(world, guest ? GUEST_PORT : AGENT_PORT, bell(world, peerBell));
    const producer = new RingProducer(world, ringPlace(0, guest ? "tx" : "rx"));
    const consumer = new RingConsumer(world, ringPlace(0, guest ? "rx" : "tx"));
    const out = new Uint8Array(guest ? ask : answer);
    const into = guest ? answer : ask;
    return {
      objects: [...portObjects(port), producer, consumer],
      start: { phase: guest ? "work" : "event", toSend: guest ? rounds : 0, toTake: rounds },
      turn: (local) => {
        if (local.phase !== "work") return eventTurn(world, port, ownBell, local);
        let toSend = local.toSend as number;
        let toTake = local.toTake as number;
        const phase = "work";
        if (toSend > 0 && producer.freeOrWait(out.length) >= out.length) {
          producer.writeAll(out);
          port.notify(0, EVENT.DATA);
          toSend--;
          return { phase, toSend, toTake };
        }
        if (toTake > 0 && consumer.available() >= into) {
          if (consumer.consume(into)) port.notify(0, EVENT.SPACE);
          toTake--;
          if (!guest) toSend++;
          return { phase, toSend, toTake };
        }
        if (toSend === 0 && toTake === 0) return undefined;
        return { phase: "event", toSend, toTake };
      },
    };
  };
  return explore({ world, sides: [side(true), side(false)] });
}

const STARTS = [
  ["0", 0],
  ["2^31 - 3", 2 ** 31 - 3],
  ["2^32 - 3", -3],
] as const;

describe("every interleaving of sender and receiver", () => {
  for (const [name, start] of STARTS) {
    it(`delivers all bytes in order, indexes from ${name}`, () => {
      const verdict = stream(REAL, start, 1, [3, 2, 4], 4);
      expect(verdict.violation).toBeUndefined();
      expect(verdict.states).toBeGreaterThan(30_000);
    });
  }

  it("delivers single bytes read one at a time", () => {
    expect(stream(REAL, -1, 1, [1, 4, 1], 1).violation).toBeUndefined();
  });

  it("delivers a chunk that fills the ring after one that fills the ring", () => {
    expect(stream(REAL, 2, 1, [CAPACITY, CAPACITY], 3).violation).toBeUndefined();
  });

  it("delivers on two sockets with a queue of two places", () => {
    expect(stream(REAL, -2, 2, [2, 4, 3], 4).violation).toBeUndefined();
  });
});

describe("every interleaving of two sides that both send, both receive and both sleep", () => {
  it("ends, two requests in flight", () => {
    expect(pingPong(2, 2, 2).violation).toBeUndefined();
  });

  it("ends, requests that fill the ring", () => {
    expect(pingPong(2, 4, 3).violation).toBeUndefined();
  });
});

describe("the checker finds a protocol that is broken", () => {
  class SleepsWithoutLooking extends Port {
    override trySleep(): boolean {
      const { words, place } = inner(this);
      Atomics.store(words, place.sleepingWord, 1);
      return true;
    }
  }

  class LooksBeforeTheFlag extends Port {
    override trySleep(): boolean {
      const { words, place } = inner(this);
      if (!this.taker.empty()) return false;
      Atomics.store(words, place.sleepingWord, 1);
      return true;
    }
  }

  class RingsBeforePublishing extends Port {
    override notify(socket: number, events: number): void {
      const { words, place, doorbell, notifier } = inner(this);
      if (Atomics.exchange(words, place.peerSleepingWord, 0) !== 0) doorbell.ring();
      notifier.notify(socket, events);
    }
  }

  class ForgetsTheFlagOfTheSleeper extends Port {
    override notify(socket: number, events: number): void {
      inner(this).notifier.notify(socket, events);
    }
  }

  /** Clears the pending word of an event when it takes the next one: after the ring was read. */
  class ClearsPendingLate extends Port {
    late = -1;

    constructor(memory: SharedMemory, place: PortPlace, doorbell: { ring(): void }) {
      super(memory, place, doorbell);
      const { words } = memory;
      const { incoming } = place;
      const taker = this.taker as EventTaker;
      taker.take = () => {
        if (this.late !== -1) Atomics.store(words, incoming.pendingWord + this.late, 0);
        this.late = -1;
        if (taker.empty()) return -1;
        const queue = inner(taker);
        const socket = Atomics.load(words, incoming.firstWord + (queue.head & 1));
        queue.head = (queue.head + 1) | 0;
        Atomics.store(words, incoming.headWord, queue.head);
        this.late = socket;
        return socket;
      };
    }
  }

  class WantsWithoutLooking extends RingProducer {
    override freeOrWait(want: number): number {
      const free = this.free();
      if (free < want) Atomics.store(inner(this).words, inner(this).place.wantWord, want);
      return free;
    }
  }

  class PublishesBeforeCopying extends RingProducer {
    override write(source: Uint8Array): number {
      const { bytes, place, index } = inner(this);
      this.commit(source.length);
      for (const [i, byte] of source.entries()) {
        bytes.set([byte], place.offset + ((index + i) & (place.capacity - 1)));
      }
      return source.length;
    }
  }

  class LooksAtWantFirst extends RingConsumer {
    override consume(length: number): boolean {
      const self = inner(this);
      const want = Atomics.load(self.words, self.place.wantWord);
      self.index = (self.index + length) | 0;
      Atomics.store(self.words, self.place.headWord, self.index);
      return want !== 0 && Atomics.exchange(self.words, self.place.wantWord, 0) !== 0;
    }
  }

  const broken: [string, Partial<Parts>, RegExp][] = [
    ["a side that sleeps without looking again", { port: SleepsWithoutLooking }, /lost wake-up/],
    ["a side that looks before it sets its flag", { port: LooksBeforeTheFlag }, /lost wake-up/],
    ["a notifier that rings before it publishes", { port: RingsBeforePublishing }, /lost wake-up/],
    ["a notifier that never rings", { port: ForgetsTheFlagOfTheSleeper }, /lost wake-up/],
    ["a taker that clears pending late", { port: ClearsPendingLate }, /lost wake-up/],
    [
      "a producer that waits without looking again",
      { producer: WantsWithoutLooking },
      /lost wake-up/,
    ],
    ["a producer that publishes before it copies", { producer: PublishesBeforeCopying }, /is due/],
    ["a consumer that looks at want first", { consumer: LooksAtWantFirst }, /lost wake-up/],
    [
      "a reader that looks at FIN after the ring",
      { flagBeforeRing: false },
      /before the last byte/,
    ],
  ];

  for (const [name, parts, message] of broken) {
    it(name, () => {
      expect(stream({ ...REAL, ...parts }, 0, 1, [3, 2, 4], 4).violation).toMatch(message);
    });
  }
});
