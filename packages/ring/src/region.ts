/**
 * A guest's region: where its parts lie (packages/vrpc/README.md has the byte layout).
 *
 * The agent formats a region and keeps the layout privately; the guest reads the header once,
 * validates it, and uses only what it validated.
 */
import {
  CALL_RING_BYTES,
  CCB,
  CCB_BYTES,
  DEFAULT_MAX_SOCKETS,
  HEADER,
  HEADER_BYTES,
  KLOG_BYTES,
  MESSAGE_MAX_BYTES,
  MIN_REGION_BYTES,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  PROTOCOL_VERSION,
  REGION_MAGIC,
} from "@outsock/abi";
import type { QueuePlace } from "./event-queue.ts";
import type { PortPlace } from "./port.ts";
import type { RingPlace, SharedMemory } from "./stream-ring.ts";

/** Byte offsets within the region, and counts. */
export interface RegionLayout {
  version: number;
  regionBytes: number;
  maxSockets: number;
  ccbOffset: number;
  queueCapacity: number;
  toAgentQueue: number;
  toGuestQueue: number;
  klogOffset: number;
  klogBytes: number;
  callRing: number;
  replyRing: number;
  callRingBytes: number;
  slabOffset: number;
  slabBytes: number;
}

export class RegionInvalid extends Error {
  readonly code = "ERR_OUTSOCK_REGION_INVALID";
}

export function sharedMemory(buffer: ArrayBuffer | SharedArrayBuffer): SharedMemory {
  return { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
}

const FIELDS: readonly [keyof RegionLayout, number][] = [
  ["version", HEADER.VERSION],
  ["regionBytes", HEADER.REGION_BYTES],
  ["maxSockets", HEADER.MAX_SOCKETS],
  ["ccbOffset", HEADER.CCB_OFFSET],
  ["queueCapacity", HEADER.QUEUE_CAPACITY],
  ["toAgentQueue", HEADER.TO_AGENT_QUEUE],
  ["toGuestQueue", HEADER.TO_GUEST_QUEUE],
  ["klogOffset", HEADER.KLOG_OFFSET],
  ["klogBytes", HEADER.KLOG_BYTES],
  ["callRing", HEADER.CALL_RING],
  ["replyRing", HEADER.REPLY_RING],
  ["callRingBytes", HEADER.CALL_RING_BYTES],
  ["slabOffset", HEADER.SLAB_OFFSET],
  ["slabBytes", HEADER.SLAB_BYTES],
];

/** Header words are signed. */
const REGION_BYTES_LIMIT = 2 ** 31;

/**
 * Lays out a zeroed region and writes its header.
 * @throws RangeError when the region is too small for `maxSockets`, or of 2 GiB and more
 */
export function formatRegion(
  memory: SharedMemory,
  maxSockets: number = DEFAULT_MAX_SOCKETS,
  version: number = PROTOCOL_VERSION,
): RegionLayout {
  const regionBytes = memory.bytes.length;
  if (maxSockets < 2 || (maxSockets & (maxSockets - 1)) !== 0) {
    throw new RangeError(`maxSockets ${maxSockets} is not a power of two`);
  }
  if (regionBytes >= REGION_BYTES_LIMIT) {
    throw new RangeError(`a region of ${regionBytes} bytes is too large: use less than 2 GiB`);
  }
  let at = HEADER_BYTES;
  const take = (bytes: number): number => {
    const start = at;
    at += Math.ceil(bytes / 4096) * 4096;
    return start;
  };
  const layout: RegionLayout = {
    version,
    regionBytes,
    maxSockets,
    ccbOffset: take(maxSockets * CCB_BYTES),
    queueCapacity: maxSockets,
    toAgentQueue: take(maxSockets * 4),
    toGuestQueue: take(maxSockets * 4),
    klogOffset: take(KLOG_BYTES),
    klogBytes: KLOG_BYTES,
    callRing: take(CALL_RING_BYTES),
    replyRing: take(CALL_RING_BYTES),
    callRingBytes: CALL_RING_BYTES,
    slabOffset: 0,
    slabBytes: 0,
  };
  layout.slabOffset = at;
  layout.slabBytes = regionBytes - at;
  if (layout.slabBytes < MIN_REGION_BYTES / 4) {
    throw new RangeError(
      `a region of ${regionBytes} bytes is too small for ${maxSockets} sockets: ` +
        `use at least ${Math.max(MIN_REGION_BYTES, at + MIN_REGION_BYTES / 4)}`,
    );
  }
  for (const [field, word] of FIELDS) Atomics.store(memory.words, word, layout[field]);
  Atomics.store(memory.words, HEADER.MAGIC, REGION_MAGIC);
  return layout;
}

/** Reads and validates the header that the agent wrote. @throws RegionInvalid */
export function openRegion(memory: SharedMemory): RegionLayout {
  const { words, bytes } = memory;
  if (Atomics.load(words, HEADER.MAGIC) !== REGION_MAGIC) {
    throw new RegionInvalid("the region does not start with its magic number");
  }
  const layout = {} as RegionLayout;
  for (const [field, word] of FIELDS) layout[field] = Atomics.load(words, word);
  const parts: { name: string; offset: number; length: number }[] = [];
  const inside = (name: string, offset: number, length: number): void => {
    if (offset < HEADER_BYTES || length < 0 || offset % 4 !== 0 || offset + length > bytes.length) {
      throw new RegionInvalid(`${name} ${offset}+${length} lies outside the region`);
    }
    parts.push({ name, offset, length });
  };
  if (layout.version < PROTOCOL_MIN || layout.version > PROTOCOL_MAX) {
    throw new RegionInvalid(
      `the region has version ${layout.version}, not ${PROTOCOL_MIN} to ${PROTOCOL_MAX}`,
    );
  }
  if (layout.regionBytes !== bytes.length) {
    throw new RegionInvalid(`the header says ${layout.regionBytes} bytes, not ${bytes.length}`);
  }
  const { maxSockets, queueCapacity, callRingBytes, klogBytes } = layout;
  for (const n of [maxSockets, queueCapacity, callRingBytes, klogBytes]) {
    if (n < 2 || (n & (n - 1)) !== 0) throw new RegionInvalid(`${n} is not a power of two`);
  }
  if (queueCapacity < maxSockets) throw new RegionInvalid("the queues have too few places");
  if (callRingBytes < MESSAGE_MAX_BYTES) throw new RegionInvalid("the call ring is too small");
  inside("the CCB table", layout.ccbOffset, maxSockets * CCB_BYTES);
  inside("the queue to the agent", layout.toAgentQueue, queueCapacity * 4);
  inside("the queue to the guest", layout.toGuestQueue, queueCapacity * 4);
  inside("the kernel log", layout.klogOffset, klogBytes);
  inside("the call ring", layout.callRing, callRingBytes);
  inside("the reply ring", layout.replyRing, callRingBytes);
  inside("the slab", layout.slabOffset, layout.slabBytes);
  parts.sort((a, b) => a.offset - b.offset);
  let end = HEADER_BYTES;
  for (const { name, offset, length } of parts) {
    if (offset < end) throw new RegionInvalid(`${name} overlaps what lies before it`);
    end = offset + length;
  }
  return layout;
}

/** Word index of word `word` of `socket`'s control block. */
export function ccbWord(layout: RegionLayout, socket: number, word: number): number {
  return (layout.ccbOffset + socket * CCB_BYTES) / 4 + word;
}

/** Ring of bytes from guest to agent ("tx") at `offset`. */
export function txRingPlace(
  layout: RegionLayout,
  socket: number,
  offset: number,
  capacity: number,
): RingPlace {
  return {
    tailWord: ccbWord(layout, socket, CCB.TX_TAIL),
    headWord: ccbWord(layout, socket, CCB.TX_HEAD),
    wantWord: ccbWord(layout, socket, CCB.TX_WANT),
    windowWord: ccbWord(layout, socket, CCB.TX_WINDOW),
    offset,
    capacity,
  };
}

/** Ring of bytes from agent to guest ("rx") at `offset`. */
export function rxRingPlace(
  layout: RegionLayout,
  socket: number,
  offset: number,
  capacity: number,
): RingPlace {
  return {
    tailWord: ccbWord(layout, socket, CCB.RX_TAIL),
    headWord: ccbWord(layout, socket, CCB.RX_HEAD),
    wantWord: ccbWord(layout, socket, CCB.RX_WANT),
    windowWord: ccbWord(layout, socket, CCB.RX_WINDOW),
    offset,
    capacity,
  };
}

/** @throws RegionInvalid unless the ring lies in the slab */
export function checkRing(layout: RegionLayout, offset: number, capacity: number): void {
  const { slabOffset, slabBytes } = layout;
  if (
    capacity < 4096 ||
    (capacity & (capacity - 1)) !== 0 ||
    offset < slabOffset ||
    offset + capacity > slabOffset + slabBytes
  ) {
    throw new RegionInvalid(`ring ${offset}+${capacity} lies outside the slab`);
  }
}

/**
 * Control words of a socket for a new connection; the pending words keep what is queued, so the
 * first events of a socket may be those of the one that had its number before.
 * - Neither side has rings on this socket.
 */
export function resetCcb(memory: SharedMemory, layout: RegionLayout, socket: number): void {
  for (const word of [
    CCB.TX_TAIL,
    CCB.RX_HEAD,
    CCB.TX_WANT,
    CCB.TX_WINDOW,
    CCB.GUEST_FLAGS,
    CCB.TX_HEAD,
    CCB.RX_TAIL,
    CCB.RX_WANT,
    CCB.RX_WINDOW,
    CCB.AGENT_FLAGS,
    CCB.ERROR,
  ]) {
    Atomics.store(memory.words, ccbWord(layout, socket, word), 0);
  }
}

function toAgentQueue(layout: RegionLayout): QueuePlace {
  return {
    tailWord: HEADER.TO_AGENT_TAIL,
    headWord: HEADER.TO_AGENT_HEAD,
    firstWord: layout.toAgentQueue / 4,
    capacity: layout.queueCapacity,
    pendingWord: ccbWord(layout, 0, CCB.TO_AGENT_PENDING),
    pendingStride: CCB_BYTES / 4,
    sockets: layout.maxSockets,
  };
}

function toGuestQueue(layout: RegionLayout): QueuePlace {
  return {
    tailWord: HEADER.TO_GUEST_TAIL,
    headWord: HEADER.TO_GUEST_HEAD,
    firstWord: layout.toGuestQueue / 4,
    capacity: layout.queueCapacity,
    pendingWord: ccbWord(layout, 0, CCB.TO_GUEST_PENDING),
    pendingStride: CCB_BYTES / 4,
    sockets: layout.maxSockets,
  };
}

export function portPlace(layout: RegionLayout, side: "guest" | "agent"): PortPlace {
  return side === "guest"
    ? {
        incoming: toGuestQueue(layout),
        outgoing: toAgentQueue(layout),
        sleepingWord: HEADER.GUEST_SLEEPING,
        peerSleepingWord: HEADER.AGENT_SLEEPING,
      }
    : {
        incoming: toAgentQueue(layout),
        outgoing: toGuestQueue(layout),
        sleepingWord: HEADER.AGENT_SLEEPING,
        peerSleepingWord: HEADER.GUEST_SLEEPING,
      };
}
