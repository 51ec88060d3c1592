/**
 * Hands out rings from a region's slab, in a few size classes.
 *
 * The slab is cut into chunks of the largest class; a chunk serves one class at a time and goes
 * back when all its rings are free. The fuller the slab, the smaller the rings: a guest with few
 * connections gets large rings, one with ten thousand still gets all of them. Memory of a ring is
 * touched only when bytes pass, so an idle connection costs its control block.
 */
import { RING_CLASSES } from "@outsock/abi";

const CHUNK = RING_CLASSES[0];
/** Share of used chunks up to which each class is handed out. */
const PRESSURE = [0.1, 0.2, 0.3, 0.5, 1] as const;

interface Chunk {
  index: number;
  capacity: number;
  /** Slots that are free, and for each slot whether it is handed out. */
  free: number[];
  taken: boolean[];
}

export interface SlabRing {
  offset: number;
  capacity: number;
}

export class Slab {
  private readonly offset: number;
  private readonly freeChunks: number[] = [];
  private readonly chunks: (Chunk | undefined)[];
  private readonly partial: Set<Chunk>[] = RING_CLASSES.map(() => new Set());
  private readonly total: number;
  /** Bytes handed out. */
  used = 0;

  constructor(offset: number, bytes: number) {
    this.offset = offset;
    this.total = Math.floor(bytes / CHUNK);
    this.chunks = new Array(this.total);
    for (let i = this.total - 1; i >= 0; i--) this.freeChunks.push(i);
  }

  /**
   * @param atLeast smallest capacity that will do, bytes
   * @returns undefined when the slab is exhausted
   */
  allocate(atLeast = 0): SlabRing | undefined {
    const usedShare = 1 - this.freeChunks.length / this.total;
    const first = PRESSURE.findIndex((limit) => usedShare < limit);
    const start = first === -1 ? RING_CLASSES.length - 1 : first;
    for (let c = start; c < RING_CLASSES.length; c++) {
      if (RING_CLASSES[c]! < atLeast) break;
      const ring = this.fromClass(c);
      if (ring !== undefined) return ring;
    }
    for (let c = start - 1; c >= 0; c--) {
      if (RING_CLASSES[c]! < atLeast) continue;
      const ring = atLeast > 0 ? this.fromClass(c) : this.fromPartial(c);
      if (ring !== undefined) return ring;
    }
    return undefined;
  }

  free(ring: SlabRing): void {
    const chunk = this.chunks[Math.floor((ring.offset - this.offset) / CHUNK)];
    const slot = chunk === undefined ? -1 : (ring.offset - this.base(chunk)) / chunk.capacity;
    if (chunk === undefined || chunk.capacity !== ring.capacity || chunk.taken[slot] !== true) {
      throw new Error(`ring ${ring.offset}+${ring.capacity} is not allocated`);
    }
    const c = RING_CLASSES.indexOf(ring.capacity as (typeof RING_CLASSES)[number]);
    chunk.taken[slot] = false;
    chunk.free.push(slot);
    this.used -= ring.capacity;
    if (chunk.free.length * chunk.capacity === CHUNK) {
      this.partial[c]!.delete(chunk);
      this.chunks[chunk.index] = undefined;
      this.freeChunks.push(chunk.index);
    } else {
      this.partial[c]!.add(chunk);
    }
  }

  private base(chunk: Chunk): number {
    return this.offset + chunk.index * CHUNK;
  }

  private fromPartial(c: number): SlabRing | undefined {
    const partial = this.partial[c]!;
    for (const chunk of partial) {
      const { capacity } = chunk;
      const slot = chunk.free.pop()!;
      chunk.taken[slot] = true;
      if (chunk.free.length === 0) partial.delete(chunk);
      this.used += capacity;
      return { offset: this.base(chunk) + slot * capacity, capacity };
    }
    return undefined;
  }

  private fromClass(c: number): SlabRing | undefined {
    const ring = this.fromPartial(c);
    if (ring !== undefined) return ring;
    const index = this.freeChunks.pop();
    if (index === undefined) return undefined;
    const capacity = RING_CLASSES[c]!;
    const chunk: Chunk = { index, capacity, free: [], taken: [] };
    for (let slot = CHUNK / capacity - 1; slot >= 0; slot--) chunk.free.push(slot);
    this.chunks[index] = chunk;
    this.partial[c]!.add(chunk);
    return this.fromPartial(c);
  }
}
