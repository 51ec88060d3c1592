/**
 * Every interleaving of a guest that sends and an agent that receives, at the granularity of
 * atomic operations (see model-check.ts), over the real ring, queue and port. Then the same with
 * one line of the protocol broken at a time: the checker has to notice each.
 */
import { EVENT, FLAG } from "@outsock/abi";
import {
  type EventTaker,
  Port,
  type PortPlace,
  RingConsumer,
  RingProducer,
  type SharedMemory,
} from "@outsock/ring";
import { describe, expect, it, vi } from "vitest";
import {
  explore,
  type Local,
  type Side,
  type Verdict,
  type World,
  waitForBell,
} from "./model-check.ts";
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

interface Parts {
  producer: typeof RingProducer;
  consumer: typeof RingConsumer;
  port: new (...args: ConstructorParameters<typeof Port>) => Port;
  /** False reads the FIN flag after the ring, which loses the last bytes. */
  flagBeforeRing: boolean;
}

const REAL: Parts = {
  producer: RingProducer,
  consumer: RingConsumer,
  port: Port,
  flagBeforeRing: true,
};

/** Opens the private fields of the real classes to the broken ones. */
interface Inner {
  words: Int32Array;
  place: PortPlace & ReturnType<typeof ringPlace> & PortPlace["incoming"];
  index: number;
  head: number;
  bytes: Uint8Array;
  doorbell: { ring(): void };
  notifier: { notify(socket: number, events: number): void };
}
const inner = (object: object): Inner => object as unknown as Inner;

/** A side's turn that is about events: takes one, or sleeps until the doorbell rings. */
function eventTurn(world: World, port: Port, bellWord: number, local: Local): Local {
  if (local.phase === "asleep") {
    waitForBell(world, bellWord);
    port.wake();
    return { ...local, phase: "event" };
  }
  const socket = port.taker.take();
  if (socket !== -1) return { ...local, phase: "work", socket };
  return { ...local, phase: port.trySleep() ? "asleep" : "event" };
}

function portObjects(port: Port): object[] {
  return [port, port.taker, inner(port).notifier];
}

/** The guest sends `chunks`, one socket after the other, then FIN; the agent reads to the end. */
function stream(
  parts: Parts,
  start: number,
  sockets: number,
  chunks: readonly number[],
  readMax: number,
): Verdict {
  const world = tinyRegion(start);
  const total = new Array<number>(sockets).fill(0);
  const payloads = chunks.map((size, i) => {
    const before = total[i % sockets]!;
    total[i % sockets]! += size;
    return Uint8Array.from({ length: size }, (_, b) => before + b + 1);
  });
  const places = Array.from({ length: sockets }, (_, socket) => ringPlace(socket, "tx"));

  const guestPort = new parts.port(world, GUEST_PORT, bell(world, WORD.AGENT_BELL));
  const producers = places.map((place) => new parts.producer(world, place));
  const guest: Side = {
    objects: [...portObjects(guestPort), ...producers],
    start: { phase: "work", chunk: 0 },
    turn: (local) => {
      if (local.phase !== "work") return eventTurn(world, guestPort, WORD.GUEST_BELL, local);
      const chunk = local.chunk as number;
      const payload = payloads[chunk];
      if (payload === undefined) {
        Atomics.store(world.words, WORD.GUEST_FLAGS, FLAG.FIN);
        guestPort.notify(0, EVENT.FIN);
        return undefined;
      }
      const socket = chunk % sockets;
      const ring = producers[socket]!;
      if (ring.freeOrWait(payload.length) < payload.length) return { phase: "event", chunk };
      ring.write(payload);
      guestPort.notify(socket, EVENT.DATA);
      return { phase: "work", chunk: chunk + 1 };
    },
  };

  const agentPort = new parts.port(world, AGENT_PORT, bell(world, WORD.GUEST_BELL));
  const consumers = places.map((place) => new parts.consumer(world, place));
  const finished = (): boolean => (Atomics.load(world.words, WORD.GUEST_FLAGS) & FLAG.FIN) !== 0;
  const agent: Side = {
    objects: [...portObjects(agentPort), ...consumers],
    start: { phase: "event", got: total.map(() => 0), ended: 0 },
    turn: (local) => {
      if (local.phase !== "work") return eventTurn(world, agentPort, WORD.AGENT_BELL, local);
      const socket = local.socket as number;
      const got = [...(local.got as number[])];
      const ring = consumers[socket]!;
      let ended = local.ended === 1 || (parts.flagBeforeRing && finished());
      const available = ring.available();
      if (available > 0) {
        const bytes = new Uint8Array(Math.min(available, readMax));
        ring.copyOut(bytes, 0, bytes.length);
        for (const byte of bytes) {
          if (byte !== ++got[socket]!) throw new Error(`byte ${byte} where ${got[socket]} is due`);
        }
        if (ring.consume(bytes.length)) agentPort.notify(socket, EVENT.SPACE);
        return { phase: "work", socket, got, ended: ended ? 1 : 0 };
      }
      if (!parts.flagBeforeRing) ended = finished();
      if (ended && socket === 0 && got[0]! < total[0]!) {
        throw new Error("end of stream before the last byte");
      }
      if (ended && got.every((n, i) => n === total[i])) return undefined;
      return { phase: "event", got, ended: ended ? 1 : 0 };
    },
  };
  return explore({ world, sides: [guest, agent] });
}

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
