import { RING_CLASSES } from "@outsock/abi";
import { Slab, type SlabRing } from "@outsock/ring";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const CHUNK = RING_CLASSES[0];
const OFFSET = 12 * 4096;

/** Which 4 KiB pages of the slab are handed out: the model. */
class Pages {
  private readonly pages = new Set<number>();

  take(ring: SlabRing): void {
    for (let at = ring.offset; at < ring.offset + ring.capacity; at += 4096) {
      if (this.pages.has(at)) throw new Error(`page ${at} is handed out twice`);
      this.pages.add(at);
    }
  }

  give(ring: SlabRing): void {
    for (let at = ring.offset; at < ring.offset + ring.capacity; at += 4096) this.pages.delete(at);
  }

  get bytes(): number {
    return this.pages.size * 4096;
  }
}

describe("a slab", () => {
  it("any allocations and frees: rings in the slab, aligned, never overlapping, counted", () => {
    const sizes = fc.constantFrom(
      0,
      0,
      0,
      1,
      4096,
      4097,
      16384,
      65531,
      65536,
      70000,
      CHUNK,
      CHUNK + 1,
    );
    const action = fc.record({ free: fc.boolean(), size: sizes, pick: fc.nat() });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 6 }),
        fc.array(action, { maxLength: 250 }),
        (n, actions) => {
          const bytes = n * CHUNK + 5000;
          const slab = new Slab(OFFSET, bytes);
          const pages = new Pages();
          const held: SlabRing[] = [];
          for (const { free, size, pick } of actions) {
            if (free && held.length > 0) {
              const [ring] = held.splice(pick % held.length, 1);
              slab.free(ring!);
              pages.give(ring!);
              expect(() => slab.free(ring!)).toThrow("is not allocated");
            } else {
              const ring = slab.allocate(size);
              if (ring === undefined) continue;
              expect(RING_CLASSES).toContain(ring.capacity);
              expect(ring.capacity).toBeGreaterThanOrEqual(size);
              expect(ring.offset).toBeGreaterThanOrEqual(OFFSET);
              expect(ring.offset + ring.capacity).toBeLessThanOrEqual(OFFSET + bytes);
              expect((ring.offset - OFFSET) % ring.capacity).toBe(0);
              pages.take(ring);
              held.push(ring);
            }
            expect(slab.used).toBe(pages.bytes);
          }
          for (const ring of held) slab.free(ring);
          expect(slab.used).toBe(0);
          // Everything came back: the largest class can be had again.
          expect(slab.allocate(CHUNK) === undefined).toBe(n === 0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("emptied: first ring is of the largest class; the fuller, the smaller", () => {
    const slab = new Slab(0, 8 * CHUNK);
    const capacities = Array.from({ length: 8 }, () => slab.allocate()?.capacity);
    expect(capacities).toEqual([CHUNK, 262144, 65536, 16384, 4096, 4096, 4096, 4096]);
  });

  it("a region of the default size: ten thousand connections get both rings", () => {
    const slab = new Slab(0, 250 * 1024 * 1024);
    const rings = Array.from({ length: 20_000 }, () => slab.allocate());
    expect(rings.every((ring) => ring !== undefined)).toBe(true);
  });

  it("exhausted: undefined, and one freed ring can be had again", () => {
    const slab = new Slab(0, 2 * CHUNK);
    const held: SlabRing[] = [];
    for (let ring = slab.allocate(); ring !== undefined; ring = slab.allocate()) held.push(ring);
    expect(slab.used).toBe(2 * CHUNK);
    slab.free(held.at(-1)!);
    expect(slab.allocate()).toEqual(held.at(-1));
    expect(slab.allocate()).toBeUndefined();
  });

  it("more than the largest class asked for: undefined", () => {
    expect(new Slab(0, 4 * CHUNK).allocate(CHUNK + 1)).toBeUndefined();
  });

  it("free of what was not handed out throws", () => {
    const slab = new Slab(0, 4 * CHUNK);
    slab.allocate(4096);
    const small = new Slab(0, 1 * CHUNK);
    while (small.allocate() !== undefined);
    for (const ring of [
      { offset: 2048, capacity: 4096 },
      { offset: 0, capacity: 4096 },
      { offset: -CHUNK, capacity: CHUNK },
      { offset: Number.NaN, capacity: CHUNK },
      { offset: 100 * CHUNK, capacity: CHUNK },
    ]) {
      expect(() => slab.free(ring)).toThrow("is not allocated");
    }
    expect(() => small.free({ offset: 6, capacity: 4096 })).toThrow("is not allocated");
  });
});
