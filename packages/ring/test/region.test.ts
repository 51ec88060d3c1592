import {
  CCB,
  CCB_BYTES,
  DEFAULT_MAX_SOCKETS,
  HEADER,
  HEADER_BYTES,
  MIN_REGION_BYTES,
} from "@outsock/abi";
import {
  ccbWord,
  checkRing,
  formatRegion,
  openRegion,
  portPlace,
  RegionInvalid,
  resetCcb,
  rxRingPlace,
  sharedMemory,
  txRingPlace,
} from "@outsock/ring";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 * 1024;
const shared = sharedMemory(new ArrayBuffer(MIN_REGION_BYTES));

/** The same zeroed memory each time: a region is large. */
function makeRegion(maxSockets = 1024) {
  shared.words.fill(0, 0, (2 * MIB) / 4);
  return { memory: shared, layout: formatRegion(shared, maxSockets) };
}

describe("a region", () => {
  it("opened after it was formatted: the same layout, parts one after the other", () => {
    const { memory, layout } = makeRegion();
    expect(openRegion(memory)).toEqual(layout);
    expect(layout).toMatchObject({
      version: 2,
      regionBytes: MIN_REGION_BYTES,
      maxSockets: 1024,
      ccbOffset: HEADER_BYTES,
      queueCapacity: 1024,
      toAgentQueue: HEADER_BYTES + 1024 * CCB_BYTES,
    });
    expect(layout.slabOffset + layout.slabBytes).toBe(MIN_REGION_BYTES);
  });

  it("too small for its sockets: RangeError that says how large", () => {
    const memory = sharedMemory(new ArrayBuffer(8 * MIB));
    expect(() => formatRegion(memory, DEFAULT_MAX_SOCKETS)).toThrow(/use at least \d+/);
    expect(() => formatRegion(memory, 1000)).toThrow("not a power of two");
  });

  it("any header word overwritten by any value: RegionInvalid, or parts inside and disjoint", () => {
    const { memory } = makeRegion();
    const good = memory.words.slice(0, HEADER.CALL_RING_BYTES + 1);
    const word = fc.integer({ min: 0, max: HEADER.CALL_RING_BYTES });
    const value = fc.oneof(
      fc.integer(),
      fc.constantFrom(0, -1, 1, 2, 4096, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, MIN_REGION_BYTES),
      fc.nat(MIN_REGION_BYTES / 4096).map((n) => n * 4096),
      fc.nat(30).map((n) => 2 ** n),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(word, value), { minLength: 1, maxLength: 3 }), (writes) => {
        memory.words.set(good);
        for (const [at, what] of writes) memory.words[at] = what;
        try {
          const l = openRegion(memory);
          const parts: [number, number][] = [
            [0, HEADER_BYTES],
            [l.ccbOffset, l.maxSockets * CCB_BYTES],
            [l.toAgentQueue, l.queueCapacity * 4],
            [l.toGuestQueue, l.queueCapacity * 4],
            [l.klogOffset, l.klogBytes],
            [l.callRing, l.callRingBytes],
            [l.replyRing, l.callRingBytes],
            [l.slabOffset, l.slabBytes],
          ];
          parts.sort(([a], [b]) => a - b);
          for (const [i, [offset, length]] of parts.entries()) {
            expect(length).toBeGreaterThanOrEqual(0);
            expect(offset + length).toBeLessThanOrEqual(parts[i + 1]?.[0] ?? MIN_REGION_BYTES);
          }
          portPlace(l, "guest");
        } catch (error) {
          if (!(error instanceof RegionInvalid)) throw error;
        }
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    ["magic", HEADER.MAGIC, 0, "magic number"],
    ["version", HEADER.VERSION, 60, "version 60"],
    ["size", HEADER.REGION_BYTES, 4096, "4096 bytes"],
    ["socket count", HEADER.MAX_SOCKETS, 1000, "not a power of two"],
    ["negative socket count", HEADER.MAX_SOCKETS, -(2 ** 31), "not a power of two"],
    ["huge socket count", HEADER.MAX_SOCKETS, 2 ** 30, "too few places"],
    ["huge queue", HEADER.QUEUE_CAPACITY, 2 ** 30, "outside the region"],
    ["small call ring", HEADER.CALL_RING_BYTES, 1024, "too small"],
    ["table over the header", HEADER.CCB_OFFSET, 64, "outside the region"],
    ["table over the queue", HEADER.CCB_OFFSET, 2 * HEADER_BYTES, "overlaps"],
    ["unaligned queue", HEADER.TO_AGENT_QUEUE, 200_001, "outside the region"],
    ["slab over all", HEADER.SLAB_OFFSET, HEADER_BYTES, "outside the region|overlaps"],
    ["negative slab", HEADER.SLAB_BYTES, -4096, "outside the region"],
  ])("wrong %s: RegionInvalid", (_, word, value, message) => {
    const { memory } = makeRegion();
    memory.words[word] = value;
    expect(() => openRegion(memory)).toThrow(RegionInvalid);
    expect(() => openRegion(memory)).toThrow(new RegExp(message));
  });

  it("ring outside the slab, of no power of two, or too small: RegionInvalid", () => {
    const { layout } = makeRegion();
    const { slabOffset, slabBytes } = layout;
    checkRing(layout, slabOffset, 4096);
    checkRing(layout, slabOffset + slabBytes - 4096, 4096);
    for (const [offset, capacity] of [
      [slabOffset - 1, 4096],
      [slabOffset + slabBytes - 4095, 4096],
      [slabOffset, 6000],
      [slabOffset, 2048],
      [slabOffset, 0],
      [slabOffset, 2 ** 31],
      [2 ** 32 - 4096, 4096],
    ] as const) {
      expect(() => checkRing(layout, offset, capacity)).toThrow(RegionInvalid);
    }
  });

  it("reset of a socket: its control words are 0, its pending words and its neighbours stay", () => {
    const { memory, layout } = makeRegion();
    for (let word = 0; word < 3 * 32; word++) memory.words[ccbWord(layout, 4, word)] = 9;
    resetCcb(memory, layout, 5);
    for (const word of Object.values(CCB)) {
      const keeps = word === CCB.TO_AGENT_PENDING || word === CCB.TO_GUEST_PENDING;
      expect(memory.words[ccbWord(layout, 5, word)]).toBe(keeps ? 9 : 0);
      expect(memory.words[ccbWord(layout, 4, word)]).toBe(9);
      expect(memory.words[ccbWord(layout, 6, word)]).toBe(9);
    }
  });

  it("control words of the two sides lie in cache lines of their own", () => {
    const line = (word: number): number => Math.floor((word * 4) / 64);
    const { layout } = makeRegion();
    const tx = txRingPlace(layout, 3, layout.slabOffset, 4096);
    const rx = rxRingPlace(layout, 3, layout.slabOffset, 4096);
    expect(line(tx.tailWord)).toBe(line(rx.headWord));
    expect(line(tx.headWord)).toBe(line(rx.tailWord));
    expect(line(tx.tailWord)).not.toBe(line(tx.headWord));
    const lines = [
      HEADER.TO_AGENT_TAIL,
      HEADER.TO_AGENT_HEAD,
      HEADER.GUEST_SLEEPING,
      HEADER.AGENT_SLEEPING,
    ].map(line);
    expect(new Set(lines).size).toBe(4);
  });
});
