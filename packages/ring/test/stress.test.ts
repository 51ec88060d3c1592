/**
 * Two processes, one sealed region, a socket pair for doorbells: both send and receive on four
 * sockets, stall now and then, sleep whenever nothing can go on, and check every byte. A lost
 * wake-up ends in a dump of both sides. How the two are interleaved is up to the kernel; sizes and
 * stalls come from the seed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CCB, HEADER, MIN_REGION_BYTES } from "@outsock/abi";
import {
  closeFd,
  ftruncate,
  mapShared,
  memfdCreate,
  sealRegion,
  socketpair,
} from "@outsock/hostsys";
import { ccbWord, formatRegion, sharedMemory } from "@outsock/ring";
import { expect, it } from "vitest";

const SEED = 20261122;
const SOCKETS = 4;
/** By each side on each socket; there are about as many reads as writes. */
const WRITES = 750_000;
/** Indexes pass 2^31 or 2^32 on the way: the slowest ring carries some 30 MB. */
const STARTS = [2 ** 31 - 10_000_000, -10_000_000] as const;

interface Result {
  writes: number;
  reads: number;
  bytes: number;
  sleeps: number;
  full: number;
  empty: number;
  shrunk: number;
  doorbellsSent: number;
  doorbellsSaved: number;
  sent: number[];
  received: number[];
}

/** What the side counted, or its dump. */
async function resultOf(child: ChildProcess): Promise<Result | string> {
  const [output, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return errors === "" ? (JSON.parse(output) as Result) : errors;
}

it("ten million operations by two processes: all bytes in order, no wake-up lost", async () => {
  const region = memfdCreate("outsock-stress");
  ftruncate(region, MIN_REGION_BYTES);
  sealRegion(region);
  const mapping = mapShared(region, MIN_REGION_BYTES);
  const memory = sharedMemory(mapping.buffer);
  const layout = formatRegion(memory, 1024);
  for (const word of [
    HEADER.TO_AGENT_TAIL,
    HEADER.TO_AGENT_HEAD,
    HEADER.TO_GUEST_TAIL,
    HEADER.TO_GUEST_HEAD,
  ]) {
    memory.words[word] = 2 ** 31 - 100_000;
  }
  for (let socket = 1; socket <= SOCKETS; socket++) {
    for (const word of [CCB.TX_TAIL, CCB.TX_HEAD, CCB.RX_TAIL, CCB.RX_HEAD]) {
      memory.words[ccbWord(layout, socket, word)] = STARTS[socket % 2]!;
    }
  }
  const bells = socketpair();
  const begun = performance.now();
  const children = (["guest", "agent"] as const).map((side, i) =>
    spawn(
      process.execPath,
      [
        join(import.meta.dirname, "stress-process.mjs"),
        JSON.stringify({
          side,
          seed: SEED,
          writes: WRITES,
          regionBytes: MIN_REGION_BYTES,
          regionFd: 3,
          bellFd: 4,
        }),
      ],
      { stdio: ["ignore", "pipe", "pipe", region, bells[i]!] },
    ),
  );
  for (const fd of [region, ...bells]) closeFd(fd);
  const results = await Promise.all(children.map(resultOf));
  const seconds = (performance.now() - begun) / 1000;
  mapping.unmap();

  const dumps = results.filter((result) => typeof result === "string");
  if (dumps.length > 0) throw new Error(dumps.join("\n"));
  const [guest, agent] = results as [Result, Result];
  const operations = guest.writes + guest.reads + agent.writes + agent.reads;
  console.log(
    `seed ${SEED}: ${operations} operations in ${seconds.toFixed(1)} s, ` +
      `${Math.round(operations / seconds)}/s, ${guest.bytes + agent.bytes} bytes, ` +
      `${guest.sleeps + agent.sleeps} sleeps, ` +
      `${guest.doorbellsSent + agent.doorbellsSent} doorbells, ` +
      `${guest.doorbellsSaved + agent.doorbellsSaved} saved, ` +
      `${guest.full + agent.full} full, ${guest.empty + agent.empty} empty, ` +
      `${guest.shrunk + agent.shrunk} shrunk`,
  );
  expect(operations).toBeGreaterThanOrEqual(10_000_000);
  expect(guest.received).toEqual(agent.sent);
  expect(agent.received).toEqual(guest.sent);
  expect(Math.min(guest.sleeps, agent.sleeps)).toBeGreaterThan(100);
  expect(Math.min(guest.full, agent.full)).toBeGreaterThan(100);
  expect(Math.min(guest.shrunk, agent.shrunk)).toBeGreaterThan(100);
}, 180_000);
