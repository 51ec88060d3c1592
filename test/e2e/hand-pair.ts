/** A shortcut's end made by hand: writes what it likes into the memory that an honest guest shares. */
import { CCB, EVENT, FLAG, HEADER, OP, PATH } from "@outsock/abi";
import { closeFd, type Mapping, mapShared, sendByte } from "@outsock/hostsys";
import {
  ccbWord,
  openRegion,
  type RegionLayout,
  type SharedMemory,
  sharedMemory,
} from "@outsock/ring";
import { type Message, PayloadReader, type RingPair } from "@outsock/vrpc";
import type { HandGuest } from "./hand-guest.ts";

/** What CONNECT and ACCEPTED say at their end. */
export interface Way {
  rings: RingPair;
  path: number;
  pair: number;
  side: number;
  slot: number;
}

/** The words that the owner of a side writes. */
const WORDS = [
  {
    tail: CCB.TX_TAIL,
    head: CCB.RX_HEAD,
    want: CCB.TX_WANT,
    window: CCB.TX_WINDOW,
    flags: CCB.GUEST_FLAGS,
    pending: CCB.TO_AGENT_PENDING,
    queueTail: HEADER.TO_AGENT_TAIL,
    queueHead: HEADER.TO_GUEST_HEAD,
  },
  {
    tail: CCB.RX_TAIL,
    head: CCB.TX_HEAD,
    want: CCB.RX_WANT,
    window: CCB.RX_WINDOW,
    flags: CCB.AGENT_FLAGS,
    pending: CCB.TO_GUEST_PENDING,
    queueTail: HEADER.TO_GUEST_TAIL,
    queueHead: HEADER.TO_AGENT_HEAD,
  },
] as const;

export class HandPair {
  readonly id: number;
  readonly side: number;
  readonly doorbell: number;
  readonly memory: SharedMemory;
  readonly layout: RegionLayout;
  readonly words: (typeof WORDS)[number];
  private readonly mapping: Mapping;
  private open = true;
  private queueTail = 0;

  private constructor(id: number, side: number, mapping: Mapping, doorbell: number) {
    this.id = id;
    this.side = side;
    this.mapping = mapping;
    this.doorbell = doorbell;
    this.memory = sharedMemory(mapping.buffer);
    this.layout = openRegion(this.memory);
    this.words = WORDS[side]!;
  }

  /** Takes a pair that the agent announced. */
  static async take(guest: HandGuest, announced: Message): Promise<HandPair> {
    const payload = new PayloadReader(announced.payload);
    const [id, side, bytes] = [payload.u32(), payload.u32(), payload.u32()];
    const [region, doorbell] = await guest.descriptors(2);
    const mapping = mapShared(region!, bytes);
    closeFd(region!);
    return new HandPair(id, side, mapping, doorbell!);
  }

  set(word: number, value: number): void {
    Atomics.store(this.memory.words, word, value);
  }

  setCcb(slot: number, word: number, value: number): void {
    this.set(ccbWord(this.layout, slot, word), value);
  }

  /** Writes bytes at the start of this side's ring, and the tail after them. */
  write({ rings, slot }: Way, bytes: Uint8Array): void {
    const offset = this.side === 0 ? rings.txOffset : rings.rxOffset;
    this.memory.bytes.set(bytes, offset);
    this.setCcb(slot, this.words.tail, bytes.length);
    this.notify(slot, EVENT.DATA);
  }

  raise(slot: number, flags: number): void {
    const word = ccbWord(this.layout, slot, this.words.flags);
    Atomics.or(this.memory.words, word, flags | FLAG.JOINED);
  }

  /** Queues an event of any number, and rings. */
  notify(slot: number, events: number): void {
    const { layout, side, words } = this;
    const { maxSockets, queueCapacity, toAgentQueue, toGuestQueue } = layout;
    if (slot >= 0 && slot < maxSockets) {
      Atomics.or(this.memory.words, ccbWord(layout, slot, words.pending), events);
    }
    const queue = side === 0 ? toAgentQueue : toGuestQueue;
    this.set(queue / 4 + (this.queueTail & (queueCapacity - 1)), slot);
    this.queueTail = (this.queueTail + 1) | 0;
    this.set(words.queueTail, this.queueTail);
    this.ring();
  }

  ring(): void {
    sendByte(this.doorbell);
  }

  hangUp(): void {
    if (this.open) closeFd(this.doorbell);
    this.open = false;
  }

  close(): void {
    this.hangUp();
    this.mapping.unmap();
  }
}

/** @param at where the words begin: the rings and what follows */
function readWay(payload: PayloadReader): Way {
  const rings = payload.rings();
  const [path, pair, side, slot] = [payload.u32(), payload.u32(), payload.u32(), payload.u32()];
  return { rings, path, pair, side, slot };
}

function wayOfConnect({ payload, status }: Message): Way {
  if (status !== 0) throw new Error(`connect failed: errno ${status}`);
  const reader = new PayloadReader(payload);
  reader.endpoint();
  reader.endpoint();
  return readWay(reader);
}

/** A guest made by hand with the pairs and lifelines that it was given. */
export class HandMember {
  readonly guest: HandGuest;
  readonly pairs: HandPair[] = [];
  /** By number of the socket. */
  readonly lifelines = new Map<number, number>();

  constructor(guest: HandGuest) {
    this.guest = guest;
  }

  /** Waits for a message of an opcode; takes what comes before it. */
  async message(opcode: number): Promise<Message> {
    for (;;) {
      const message = await this.guest.next();
      if (message.opcode === OP.PAIR) this.pairs.push(await HandPair.take(this.guest, message));
      if (message.opcode === OP.LIFELINES) await this.takeLifelines(message);
      if (message.opcode === opcode) return message;
    }
  }

  private async takeLifelines({ payload }: Message): Promise<void> {
    const reader = new PayloadReader(payload);
    const count = reader.u32();
    const fds = await this.guest.descriptors(count);
    for (const fd of fds) this.lifelines.set(reader.u32(), fd);
  }

  /** Connects socket `id` to an IPv4 address, as an honest guest would. */
  async connect(id: number, address: string, port: number): Promise<{ way: Way; pair: HandPair }> {
    this.guest.connect(id, address, port);
    const way = wayOfConnect(await this.message(OP.CONNECT));
    const pair = this.pairs.find((one) => one.id === way.pair && one.side === way.side);
    if (pair !== undefined && way.path === PATH.SHORTCUT) pair.raise(way.slot, 0);
    return { way, pair: pair! };
  }

  close(): void {
    for (const fd of this.lifelines.values()) closeFd(fd);
    for (const pair of this.pairs) pair.close();
    this.guest.close();
  }
}
