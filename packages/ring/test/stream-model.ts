/** A guest that sends and an agent that receives, for the model checker: real or broken parts. */
import { EVENT, FLAG } from "@outsock/abi";
import {
  Port,
  type PortPlace,
  type ProducerOptions,
  RingConsumer,
  type RingPlace,
  RingProducer,
} from "@outsock/ring";
import {
  explore,
  type Local,
  type Side,
  type Verdict,
  type World,
  waitForBell,
} from "./model-check.ts";
import { AGENT_PORT, bell, GUEST_PORT, ringPlace, tinyRegion, WORD } from "./tiny-region.ts";

export interface Parts {
  producer: typeof RingProducer;
  consumer: typeof RingConsumer;
  port: new (...args: ConstructorParameters<typeof Port>) => Port;
  /** False reads the FIN flag after the ring, which loses the last bytes. */
  flagBeforeRing: boolean;
  options: ProducerOptions;
  placeOf: (socket: number) => RingPlace;
  /** Sends as the agent does: a span is handed out before there is room, and filled later. */
  spans: boolean;
}

export const REAL: Parts = {
  producer: RingProducer,
  consumer: RingConsumer,
  port: Port,
  flagBeforeRing: true,
  options: {},
  placeOf: (socket) => ringPlace(socket, "tx"),
  spans: false,
};

/** Opens the private fields of the real classes to the broken ones. */
export interface Inner {
  words: Int32Array;
  place: PortPlace & ReturnType<typeof ringPlace> & PortPlace["incoming"];
  index: number;
  head: number;
  bytes: Uint8Array;
  doorbell: { ring(): void };
  notifier: { notify(socket: number, events: number): void };
}
export const inner = (object: object): Inner => object as unknown as Inner;

/** A side's turn that is about events: takes one, or sleeps until the doorbell rings. */
export function eventTurn(world: World, port: Port, bellWord: number, local: Local): Local {
  if (local.phase === "asleep") {
    waitForBell(world, bellWord);
    port.wake();
    return { ...local, phase: "event" };
  }
  const socket = port.taker.take();
  if (socket !== -1) return { ...local, phase: "work", socket };
  return { ...local, phase: port.trySleep() ? "asleep" : "event" };
}

export function portObjects(port: Port): object[] {
  return [port, port.taker, inner(port).notifier];
}

/** The guest sends `chunks`, one socket after the other, then FIN; the agent reads to the end. */
export function stream(
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
  const places = Array.from({ length: sockets }, (_, socket) => parts.placeOf(socket));

  const guestPort = new parts.port(world, GUEST_PORT, bell(world, WORD.AGENT_BELL));
  const producers = places.map((place) => new parts.producer(world, place, parts.options));
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
      if (parts.spans) return sendSpan(ring, payload, local);
      if (ring.freeOrWait(payload.length) < payload.length) return { phase: "event", chunk };
      ring.write(payload);
      guestPort.notify(socket, EVENT.DATA);
      return { phase: "work", chunk: chunk + 1 };
    },
  };

  const sendSpan = (ring: RingProducer, payload: Uint8Array, local: Local): Local => {
    const chunk = local.chunk as number;
    const done = (local.done as number | undefined) ?? 0;
    let length = (local.length as number | undefined) ?? 0;
    let at = (local.at as number | undefined) ?? 0;
    if (length === 0) ({ length, offset: at } = ring.spanAhead(payload.length - done));
    if (ring.freeOrWait(length) < length) return { phase: "event", chunk, done, length, at };
    world.bytes.set(payload.subarray(done, done + length), at);
    ring.commit(length);
    guestPort.notify(chunk % sockets, EVENT.DATA);
    const left = payload.length - done - length;
    return left === 0
      ? { phase: "work", chunk: chunk + 1 }
      : { phase: "work", chunk, done: done + length };
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
