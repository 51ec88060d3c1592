// Nanoseconds for each call of the hot path: the best of five rounds.
import * as hs from "@outsock/hostsys";

function measure(name, calls, body) {
  body(calls);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const begin = process.hrtime.bigint();
    body(calls);
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / calls);
  }
  console.log(`${name.padEnd(40)} ${best.toFixed(best < 100 ? 1 : 0).padStart(7)} ns`);
}

const [a, b] = hs.socketpair();
measure("sendByte, then drainBytes", 50_000, (n) => {
  for (let i = 0; i < n; i++) {
    hs.sendByte(a);
    hs.drainBytes(b);
  }
});
measure("drainBytes, nothing there", 100_000, (n) => {
  for (let i = 0; i < n; i++) hs.drainBytes(b);
});
// The drain is part of it: one call takes all 200.
measure("sendByte 200 times, then one drainBytes", 200, (n) => {
  for (let i = 0; i < n; i++) hs.sendByte(a);
  hs.drainBytes(b);
});
for (let i = 0; i < 1000; i++) hs.sendByte(a);
measure("sendByte, socket full", 100_000, (n) => {
  for (let i = 0; i < n; i++) hs.sendByte(a);
});
measure("waitReadable, ready", 100_000, (n) => {
  for (let i = 0; i < n; i++) hs.waitReadable(b, 0);
});

const fd = hs.memfdCreate("cost");
hs.ftruncate(fd, 65_536);
for (const [name, words] of [
  ["mapping", new Int32Array(hs.mapShared(fd, 65_536).buffer)],
  ["SharedArrayBuffer", new Int32Array(new SharedArrayBuffer(65_536))],
]) {
  measure(`Atomics.load, ${name}`, 1_000_000, (n) => {
    for (let i = 0; i < n; i++) Atomics.load(words, i & 15);
  });
  measure(`Atomics.add, ${name}`, 1_000_000, (n) => {
    for (let i = 0; i < n; i++) Atomics.add(words, i & 15, 1);
  });
}
measure("mapShared of 64 KiB, and unmap", 2_000, (n) => {
  for (let i = 0; i < n; i++) hs.mapShared(fd, 65_536).unmap();
});
const watch = hs.watchProcessors();
measure("watchProcessors, contended", 20_000, (n) => {
  for (let i = 0; i < n; i++) watch.contended();
});
measure("watchProcessors, involuntarySwitches", 20_000, (n) => {
  for (let i = 0; i < n; i++) watch.involuntarySwitches();
});
