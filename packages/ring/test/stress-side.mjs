// One side of the stress test: sends and receives on several sockets at once, sleeps on its
// doorbell when nothing can go on, checks every byte. Plain JavaScript: it runs in its own process.
import { CCB, EVENT, FLAG, HEADER } from "@outsock/abi";
import {
  ccbWord,
  openRegion,
  Port,
  portPlace,
  RingConsumer,
  RingProducer,
  rxRingPlace,
  txRingPlace,
} from "@outsock/ring";

/** Capacities of the two rings of each socket. */
const CAPACITIES = [256, 4096, 4096, 65536];
/** Windows of the two larger rings: they grow and shrink all the time. */
const WINDOWS = [
  undefined,
  undefined,
  { least: 256, most: 4096, growAfter: 1, shrinkAfter: 2 },
  { least: 1024, most: 65536, growAfter: 2, shrinkAfter: 2 },
];
const WINDOW_LEAST = 256;
/** A prime, so that bytes of another lap of a ring never look right. */
const PERIOD = 65521;
const LARGEST = 65536;
/** No doorbell for so long is a lost wake-up: the peer is never busy for more than milliseconds. */
const LOST_AFTER_MS = 15_000;

/** xorshift32 */
function random(seed) {
  let x = seed | 0 || 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

function pattern(seed) {
  const next = random(seed);
  const bytes = Buffer.alloc(PERIOD + LARGEST);
  for (let i = 0; i < PERIOD; i++) bytes[i] = next(256);
  bytes.copyWithin(PERIOD, 0, LARGEST);
  return bytes;
}

/**
 * @param {{ memory: import("@outsock/ring").SharedMemory, side: "guest" | "agent", seed: number,
 *   writes: number, bell: { ring(): void, wait(ms: number): boolean } }} options
 *   `bell.wait` blocks until it rang (true) or the time is over (false)
 */
export function runSide({ memory, side, seed, writes, bell }) {
  const guest = side === "guest";
  const layout = openRegion(memory);
  const { words, bytes } = memory;
  const port = new Port(memory, portPlace(layout, side), bell);
  const next = random(seed * 2 + (guest ? 0 : 1));
  const toAgent = pattern(seed + 11);
  const toGuest = pattern(seed + 12);
  const out = guest ? toAgent : toGuest;
  const into = guest ? toGuest : toAgent;
  const ownFlags = guest ? CCB.GUEST_FLAGS : CCB.AGENT_FLAGS;
  const peerFlags = guest ? CCB.AGENT_FLAGS : CCB.GUEST_FLAGS;

  const counters = {
    writes: 0,
    reads: 0,
    bytes: 0,
    sleeps: 0,
    full: 0,
    empty: 0,
    stalls: 0,
    shrunk: 0,
  };

  let at = layout.slabOffset;
  const place = (make, socket, capacity) => {
    at += capacity;
    return {
      ...make(layout, socket, at - capacity, capacity),
      windowLeast: Math.min(capacity, WINDOW_LEAST),
    };
  };
  const sockets = CAPACITIES.map((capacity, i) => {
    const socket = i + 1;
    const tx = place(txRingPlace, socket, capacity);
    const rx = place(rxRingPlace, socket, capacity);
    return {
      socket,
      capacity,
      producer: new RingProducer(memory, guest ? tx : rx, {
        windows: WINDOWS[i],
        // What is given back reads as zeros: bytes that were still in use would be missed.
        onShrink: (offset, length) => {
          counters.shrunk++;
          bytes.fill(0, offset, offset + length);
        },
      }),
      consumer: new RingConsumer(memory, guest ? rx : tx),
      left: writes,
      size: 0,
      sent: 0,
      received: 0,
      writable: true,
      readable: true,
      ended: false,
    };
  });
  const scratch = Buffer.alloc(LARGEST);

  const pick = (capacity) => 1 + (next(64) === 0 ? next(capacity) : next(Math.min(capacity, 96)));

  /** @returns false when the ring is full */
  const write = (s) => {
    if (s.size === 0) s.size = pick(s.capacity);
    const { producer, size } = s;
    if (producer.freeOrWait(size) < size) {
      counters.full++;
      return false;
    }
    const from = s.sent % PERIOD;
    let length = size;
    if (next(2) === 0) {
      const cut = next(size + 1);
      producer.writeAll(out.subarray(from, from + cut), out.subarray(from + cut, from + size));
    } else {
      const span = producer.spanAhead(size);
      length = span.length;
      bytes.set(out.subarray(from, from + length), span.offset);
      producer.commit(length);
    }
    s.sent += length;
    s.size = 0;
    s.left--;
    counters.writes++;
    counters.bytes += length;
    if (s.left === 0) Atomics.store(words, ccbWord(layout, s.socket, ownFlags), FLAG.FIN);
    port.notify(s.socket, s.left === 0 ? EVENT.DATA | EVENT.FIN : EVENT.DATA);
    return true;
  };

  /** @returns false when the ring is empty */
  const read = (s) => {
    const { consumer } = s;
    const finished = Atomics.load(words, ccbWord(layout, s.socket, peerFlags)) & FLAG.FIN;
    const available = consumer.available();
    if (available === 0) {
      if (finished) s.ended = true;
      counters.empty++;
      return false;
    }
    let length = Math.min(available, pick(s.capacity));
    const from = s.received % PERIOD;
    let same;
    if (next(2) === 0) {
      consumer.copyOut(scratch, 0, length);
      same = scratch.compare(into, from, from + length, 0, length) === 0;
    } else {
      const span = consumer.peek(length);
      length = span.length;
      same =
        Buffer.compare(
          bytes.subarray(span.offset, span.offset + length),
          into.subarray(from, from + length),
        ) === 0;
    }
    if (!same) throw new Error(`socket ${s.socket}: wrong bytes at ${s.received}+${length}`);
    s.received += length;
    counters.reads++;
    if (consumer.consume(length)) port.notify(s.socket, EVENT.SPACE);
    return true;
  };

  const dump = () => ({
    side,
    counters,
    port: port.counters,
    sockets: sockets.map((s) => ({
      socket: s.socket,
      left: s.left,
      size: s.size,
      sent: s.sent,
      received: s.received,
      writable: s.writable,
      readable: s.readable,
      ended: s.ended,
      ccb: Object.fromEntries(
        Object.entries(CCB).map(([name, word]) => [name, words[ccbWord(layout, s.socket, word)]]),
      ),
    })),
    header: Object.fromEntries(
      ["TO_AGENT_TAIL", "TO_AGENT_HEAD", "TO_GUEST_TAIL", "TO_GUEST_HEAD"]
        .concat(["GUEST_SLEEPING", "AGENT_SLEEPING"])
        .map((name) => [name, words[HEADER[name]]]),
    ),
  });

  try {
    for (;;) {
      for (let socket = port.taker.take(); socket !== -1; socket = port.taker.take()) {
        const s = sockets[socket - 1];
        if (port.taker.events & EVENT.SPACE) s.writable = true;
        if (port.taker.events & (EVENT.DATA | EVENT.FIN)) s.readable = true;
      }
      let busy = false;
      for (const s of sockets) {
        for (let n = next(8); n >= 0 && s.writable && s.left > 0; n--) s.writable = write(s);
        for (let n = next(8); n >= 0 && s.readable; n--) s.readable = read(s);
        busy ||= (s.writable && s.left > 0) || s.readable;
      }
      if (next(500) === 0) {
        // Long enough for the peer to fill or to empty every ring, and to fall asleep.
        counters.stalls++;
        const until = process.hrtime.bigint() + BigInt(next(1_000_000));
        while (process.hrtime.bigint() < until);
      }
      if (busy) continue;
      if (sockets.every((s) => s.left === 0 && s.ended)) break;
      if (!port.trySleep()) continue;
      counters.sleeps++;
      if (!bell.wait(LOST_AFTER_MS)) throw new Error("no doorbell: a wake-up is lost");
      port.wake();
    }
  } catch (error) {
    error.message += `\n${JSON.stringify(dump(), undefined, 1)}`;
    throw error;
  }
  const total = (field) => sockets.map((s) => s[field]);
  return { ...counters, ...port.counters, sent: total("sent"), received: total("received") };
}
