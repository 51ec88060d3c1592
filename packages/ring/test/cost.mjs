// What a ring costs by the size of its window, on two threads: the best of several rounds. The
// last row grows and shrinks.
// Bulk: MB/s in chunks of 64 KiB, copied in and copied out. Ping-pong: round trips a second of
// 64 bytes. Nobody sleeps. Run it on a quiet machine with two free processors.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { RingConsumer, RingProducer, sharedMemory } from "@outsock/ring";

const CAPACITY = 1024 * 1024;
const WINDOWS = [4096, 16_384, 65_536, 262_144, CAPACITY, undefined];
const CHUNK = 65_536;
const BULK_BYTES = 128 * 1024 * 1024;
const TRIPS = 100_000;
const ROUNDS = 7;
const CONTROL = 4096;

function place(ring, window) {
  const word = ring * 64;
  return {
    tailWord: word,
    headWord: word + 16,
    wantWord: word + 32,
    windowWord: word + 33,
    offset: CONTROL + ring * CAPACITY,
    capacity: window ?? CAPACITY,
  };
}

function bulk(side, ring) {
  const bytes = new Uint8Array(CHUNK);
  if (side === 0) {
    for (let left = BULK_BYTES; left > 0; ) {
      for (let at = 0; at < CHUNK; ) {
        at += ring.write(bytes.subarray(at));
        if (at < CHUNK) ring.freeOrWait(Math.min(ring.window / 2, CHUNK - at));
      }
      left -= CHUNK;
    }
    return;
  }
  for (let left = BULK_BYTES; left > 0; ) {
    const length = Math.min(ring.available(), CHUNK);
    if (length === 0) continue;
    ring.copyOut(bytes, 0, length);
    ring.consume(length);
    left -= length;
  }
}

function pingPong(side, out, into) {
  const bytes = new Uint8Array(64);
  for (let trip = 0; trip < TRIPS; trip++) {
    if (side === 0) out.write(bytes);
    while (into.available() < 64);
    into.copyOut(bytes, 0, 64);
    into.consume(64);
    if (side === 1) out.write(bytes);
  }
}

function run(side, buffer, window) {
  const memory = sharedMemory(buffer);
  const meet = new Int32Array(buffer, CONTROL + 2 * CAPACITY, 1);
  const out = new RingProducer(memory, place(side, window), {
    windows: window === undefined,
  });
  const into = new RingConsumer(memory, place(1 - side, window));
  const best = { bulk: Infinity, trips: Infinity };
  let met = 0;
  const together = (name, work) => {
    met += 2;
    Atomics.add(meet, 0, 1);
    while (Atomics.load(meet, 0) < met);
    const begin = performance.now();
    work();
    best[name] = Math.min(best[name], performance.now() - begin);
  };
  for (let round = 0; round < ROUNDS; round++) {
    together("bulk", () => bulk(side, side === 0 ? out : into));
    together("trips", () => pingPong(side, out, into));
  }
  return best;
}

if (isMainThread) {
  console.log("window    bulk      ping-pong");
  for (const window of WINDOWS) {
    const buffer = new SharedArrayBuffer(CONTROL + 2 * CAPACITY + 64);
    const worker = new Worker(new URL(import.meta.url), { workerData: { buffer, window } });
    await new Promise((resolve) => worker.once("online", resolve));
    const best = run(0, buffer, window);
    await new Promise((resolve) => worker.once("exit", resolve));
    const mbs = BULK_BYTES / 1e3 / best.bulk;
    const trips = TRIPS / best.trips;
    console.log(
      `${window === undefined ? "adaptive" : `${String(window / 1024).padStart(4)} KiB`} ${mbs.toFixed(0).padStart(6)} MB/s ` +
        `${trips.toFixed(0).padStart(6)} k/s`,
    );
  }
} else {
  run(1, workerData.buffer, workerData.window);
}
