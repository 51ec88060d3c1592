/**
 * One attached process of a guest: its region, its calls, its sockets.
 *
 * Whatever the guest breaks (a ring index, a message, a socket number that is not its own) ends
 * this session with a reason and harms nobody else.
 */
import {
  CCB,
  CLOSE_RESET,
  COUNTERS,
  DEFAULT_MAX_SOCKETS,
  DESCRIPTORS_MAX,
  ERRNO,
  EVENT,
  FLAG,
  HEADER,
  OP,
  PROTOCOL_SHORTCUT,
  pathName,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOMAXCONN,
} from "@outsock/abi";
import {
  closeFd,
  type Mapping,
  recvWithFds,
  SysError,
  sendByte,
  sendWithFds,
} from "@outsock/hostsys";
import {
  ccbWord,
  formatRegion,
  type GrownRings,
  type Pollable,
  Port,
  type PortCounters,
  type ProducerOptions,
  portPlace,
  type RegionLayout,
  RingConsumer,
  RingCorrupted,
  RingProducer,
  resetCcb,
  rxRingPlace,
  type SharedMemory,
  Slab,
  sharedMemory,
  txRingPlace,
} from "@outsock/ring";
import {
  type Endpoint,
  type Message,
  MessageInvalid,
  MessageSender,
  PayloadReader,
  PayloadWriter,
  takeMessage,
} from "@outsock/vrpc";
import { DatagramSocket } from "./datagram-socket.ts";
import type { Arrival, Listener } from "./listener.ts";
import type { ListenerDirectory } from "./listener-directory.ts";
import type { NetworkPlan } from "./network-plan.ts";
import type { AllocatedRings, SessionContext } from "./session-sockets.ts";
import type { Matchmaker } from "./shortcut/broker.ts";
import type { Lifelines } from "./shortcut/lifelines.ts";
import type { Side } from "./shortcut/pair.ts";
import { pathOf, writePath } from "./shortcut/path.ts";
import { StreamRelay } from "./stream-relay.ts";
import { StreamSocket } from "./stream-socket.ts";

type AnySocket = StreamSocket | DatagramSocket;

const ONE_BYTE = new Uint8Array(1);

/** Events handled before other sessions get their turn. */
const BATCH = 1024;
const REPLIES_WAITING_MAX = 65536;
const EMPTY = new Uint8Array(0);

export interface SessionOptions {
  mapping: Mapping;
  plan: NetworkPlan;
  /** Version of the protocol that the guest speaks. */
  version: number;
  /** Descriptor of the connection to the guest, for doorbells. */
  doorbellFd: number;
  /** The agent's end of the descriptor channel, -1 in version 1. */
  channelFd: number;
  directory: ListenerDirectory;
  lifelines: Lifelines;
  broker: Matchmaker;
  /** Rings that have grown, of all sessions. */
  grown: GrownRings;
  /** Where the guest's ends are offered, or why it gets no shortcut (PATH). */
  shortcuts: Matchmaker | number;
  /** A listener of the guest came to be; published ports attach to it. */
  onListen(listener: Listener): void;
  /** Addresses of a guest's name, empty when no guest has it. */
  resolve(name: string): Endpoint[];
  /** The guest broke the protocol. */
  onPoisoned(reason: string): void;
  /** Has something to do soon: poll. */
  onActive(): void;
}

export class Session implements SessionContext, Pollable {
  readonly memory: SharedMemory;
  readonly layout: RegionLayout;
  readonly plan: NetworkPlan;
  readonly version: number;
  readonly windows: ProducerOptions;
  readonly directory: ListenerDirectory;
  readonly lifelines: Lifelines;
  readonly shortcuts: Matchmaker | number;
  private readonly options: SessionOptions;
  private readonly port: Port;
  private readonly calls: RingConsumer;
  private readonly replies: MessageSender;
  private readonly slab: Slab;
  private readonly sockets = new Map<number, AnySocket>();
  private readonly paths = new Map<number, number>();
  /** Numbers whose CLOSE is not answered yet. */
  private readonly closingIds = new Set<number>();
  private readonly freeIds: number[] = [];
  private nextId: number;
  private detached = false;
  private unannounced = false;
  private released: (() => void) | undefined;
  private goneBytes = 0;

  constructor(options: SessionOptions) {
    this.options = options;
    this.plan = options.plan;
    this.memory = sharedMemory(options.mapping.buffer);
    this.layout = formatRegion(this.memory, DEFAULT_MAX_SOCKETS, options.version);
    this.version = options.version;
    this.windows = {
      windows: options.version >= PROTOCOL_SHORTCUT,
      grown: options.grown,
      onShrink: (offset, length) => options.mapping.discard(offset, length),
    };
    this.directory = options.directory;
    this.lifelines = options.lifelines;
    this.shortcuts = options.shortcuts;
    const { layout, memory } = this;
    Atomics.store(memory.words, HEADER.AGENT_SLEEPING, 1);
    this.port = new Port(
      memory,
      portPlace(layout, "agent"),
      {
        ring: () => {
          if (!this.detached) sendByte(options.doorbellFd);
        },
      },
      (turn) => setImmediate(turn),
    );
    this.calls = new RingConsumer(
      memory,
      txRingPlace(layout, 0, layout.callRing, layout.callRingBytes),
    );
    this.replies = new MessageSender(
      new RingProducer(memory, rxRingPlace(layout, 0, layout.replyRing, layout.callRingBytes)),
      () => this.port.notify(0, EVENT.DATA),
      REPLIES_WAITING_MAX,
    );
    this.slab = new Slab(layout.slabOffset, layout.slabBytes);
    this.nextId = layout.maxSockets / 2;
  }

  get socketCount(): number {
    return this.sockets.size;
  }

  /** TCP connections, by both ends' making. */
  get connectionCount(): number {
    let count = 0;
    for (const socket of this.sockets.values()) {
      if (socket instanceof StreamSocket && socket.relayed) count++;
    }
    return count;
  }

  /** Bytes relayed by all sockets of the session, also by those that are closed. */
  get bytes(): number {
    let bytes = this.goneBytes;
    for (const socket of this.sockets.values()) bytes += socket.bytes;
    return bytes;
  }

  // Pollable

  get counters(): PortCounters {
    return this.port.counters;
  }

  drain(): number {
    let handled = 0;
    this.guard(() => {
      while (handled < BATCH && !this.detached) {
        const id = this.port.taker.take();
        if (id === -1) break;
        handled++;
        const { events } = this.port.taker;
        if (id === 0) this.onChannel(events);
        else this.sockets.get(id)?.onEvents(events);
      }
    });
    return handled;
  }

  trySleep(): boolean {
    return this.port.trySleep();
  }

  wake(): void {
    this.port.wake();
  }

  // SessionContext

  guard(work: () => void): void {
    if (this.detached && this.released === undefined) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof RingCorrupted) && !(error instanceof MessageInvalid)) throw error;
      if (!this.detached) this.options.onPoisoned(error.message);
    }
  }

  notify(socket: number, events: number): void {
    if (this.detached) return;
    this.port.notify(socket, events);
    this.options.onActive();
  }

  reset(socket: number, errno: number): void {
    const { words } = this.memory;
    Atomics.store(words, ccbWord(this.layout, socket, CCB.ERROR), errno);
    Atomics.or(words, ccbWord(this.layout, socket, CCB.AGENT_FLAGS), FLAG.RESET);
    this.guard(() => this.notify(socket, EVENT.RESET));
  }

  finish(socket: number): void {
    Atomics.or(this.memory.words, ccbWord(this.layout, socket, CCB.AGENT_FLAGS), FLAG.FIN);
    this.guard(() => this.notify(socket, EVENT.FIN));
  }

  guestFinished(socket: number): boolean {
    const flags = Atomics.load(this.memory.words, ccbWord(this.layout, socket, CCB.GUEST_FLAGS));
    return (flags & FLAG.FIN) !== 0;
  }

  allocateRings(socket: number, atLeast?: number): AllocatedRings | undefined {
    const tx = this.slab.allocate(atLeast);
    if (tx === undefined) return undefined;
    const rx = this.slab.allocate(atLeast);
    if (rx === undefined) {
      this.slab.free(tx);
      return undefined;
    }
    resetCcb(this.memory, this.layout, socket);
    return {
      pair: {
        txOffset: tx.offset,
        txCapacity: tx.capacity,
        rxOffset: rx.offset,
        rxCapacity: rx.capacity,
      },
      tx: txRingPlace(this.layout, socket, tx.offset, tx.capacity),
      rx: rxRingPlace(this.layout, socket, rx.offset, rx.capacity),
      release: () => {
        this.slab.free(tx);
        this.slab.free(rx);
      },
    };
  }

  reply(
    opcode: number,
    sequence: number,
    socket: number,
    status: number,
    payload: Uint8Array,
  ): void {
    if (this.detached) return;
    // A number that is free again is no news to wake a guest for.
    const quiet = opcode === OP.CLOSE;
    this.guard(() => this.replies.send({ opcode, sequence, socket, status, payload }, quiet));
  }

  accept(listener: number, arrival: Arrival): boolean {
    const { socket: id, local, peer, way } = arrival;
    if (this.detached) return false;
    const shortcut = "shortcut" in way;
    const rings = shortcut ? undefined : this.allocateRings(id);
    const pair = shortcut ? way.shortcut.slot.rings : rings?.pair;
    if (pair === undefined) return false;
    if (shortcut) this.clear(id);
    const writer = new PayloadWriter().u32(listener).endpoint(local).endpoint(peer).rings(pair);
    writePath(writer, this.version, way);
    const socket = new StreamSocket(this, id);
    this.sockets.set(id, socket);
    this.reply(OP.ACCEPTED, 0, id, 0, writer.done());
    if (this.detached) {
      // The reply found the guest's ring broken: the socket is closed already.
      rings?.release();
      return false;
    }
    this.countPath(pathOf(way));
    if (shortcut) socket.join(way);
    else socket.adopt(way.connection, new StreamRelay(this, id, rings!));
    return true;
  }

  takeNumber(): number | undefined {
    if (this.nextId < this.layout.maxSockets) return this.nextId++;
    return this.freeIds.shift();
  }

  returnNumber(socket: number): void {
    this.freeIds.push(socket);
  }

  clear(socket: number): void {
    resetCcb(this.memory, this.layout, socket);
  }

  countPath(path: number): void {
    this.paths.set(path, (this.paths.get(path) ?? 0) + 1);
  }

  /** Connections made so far, by the name of their path. */
  get pathCounts(): Record<string, number> {
    return Object.fromEntries([...this.paths].map(([path, n]) => [pathName(path), n]));
  }

  /** What the guest counts; its word. */
  get guestCounters(): Record<string, number> {
    const { words } = this.memory;
    return Object.fromEntries(
      COUNTERS.map((name, i) => {
        const word = HEADER.COUNTERS + i * 2;
        const low = Atomics.load(words, word) >>> 0;
        return [name, (Atomics.load(words, word + 1) >>> 0) * 2 ** 32 + low];
      }),
    );
  }

  // PairMember, EndOwner

  announcePair(pair: number, side: Side, bytes: number, fds: readonly number[]): boolean {
    if (this.detached || !this.sendDescriptors(fds)) return false;
    const payload = new PayloadWriter().u32(pair).u32(side).u32(bytes).done();
    this.reply(OP.PAIR, 0, 0, 0, payload);
    return !this.detached;
  }

  sendLifelines(lifelines: readonly { socket: number; fd: number }[]): boolean {
    if (this.detached || !this.sendDescriptors(lifelines.map(({ fd }) => fd))) return false;
    const payload = new PayloadWriter().u32(lifelines.length);
    for (const { socket } of lifelines) payload.u32(socket);
    this.reply(OP.LIFELINES, 0, 0, 0, payload.done());
    return true;
  }

  /** Puts descriptors on the channel; a message says what they are. */
  private sendDescriptors(fds: readonly number[]): boolean {
    try {
      return sendWithFds(this.options.channelFd, ONE_BYTE, fds) === 1;
    } catch (error) {
      // The guest does not take them, or has too many under way.
      if (error instanceof SysError) return false;
      throw error;
    }
  }

  // Calls

  private onChannel(events: number): void {
    if (events & EVENT.SPACE) this.replies.flush();
    if (!(events & EVENT.DATA)) return;
    let notify = false;
    // Bounded: a guest that calls without end does not hold the agent.
    // A call may end the session: its answer finds the guest's ring broken.
    for (let n = 0; !this.detached; n++) {
      const taken = n < BATCH ? takeMessage(this.calls) : undefined;
      if (taken === undefined) {
        if (n === BATCH) this.continueCalls();
        break;
      }
      notify ||= taken.notify;
      this.onCall(taken.message);
    }
    if (notify && !this.detached) this.port.notify(0, EVENT.SPACE);
  }

  private continueCalls(): void {
    setImmediate(() => {
      if (!this.detached) this.guard(() => this.onChannel(EVENT.DATA));
    });
  }

  private onCall(message: Message): void {
    const { opcode, sequence, socket: id } = message;
    const payload = new PayloadReader(message.payload);
    if (opcode === OP.RESOLVE) {
      this.resolve(sequence, payload);
      return;
    }
    if (opcode === OP.SOCKET) {
      this.create(id, payload);
      return;
    }
    if (opcode === OP.PAIR_ENDED) {
      this.pairEnded(payload);
      return;
    }
    if (opcode === OP.RESTORE) {
      this.restore(payload);
      return;
    }
    const socket = this.sockets.get(id);
    if (socket === undefined) {
      throw new MessageInvalid(`call ${opcode} names socket ${id}, which the guest does not have`);
    }
    switch (opcode) {
      case OP.CLOSE: {
        const reset = (payload.u32() & CLOSE_RESET) !== 0;
        if (socket instanceof StreamSocket) socket.closedByGuest(reset);
        this.closeSocket(id, socket, sequence, reset);
        break;
      }
      case OP.SETSOCKOPT: {
        const option = { level: payload.i32(), name: payload.i32(), value: payload.i32() };
        this.reply(opcode, sequence, id, socket.setOption(option), EMPTY);
        break;
      }
      case OP.GETSOCKOPT: {
        const { errno, value } = socket.getOption(payload.i32(), payload.i32());
        this.reply(opcode, sequence, id, errno, new PayloadWriter().u32(value).done());
        break;
      }
      case OP.BIND:
        socket.bind(sequence, payload.endpoint(), payload.u32());
        break;
      case OP.CONNECT:
        socket.connect(sequence, payload.endpoint());
        break;
      default:
        if (socket instanceof StreamSocket) this.onStreamCall(message, payload, socket);
        else this.onDatagramCall(message, payload, socket);
    }
    payload.end();
  }

  private onStreamCall(message: Message, payload: PayloadReader, socket: StreamSocket): void {
    switch (message.opcode) {
      case OP.LISTEN: {
        const backlog = Math.min(Math.max(payload.u32(), 1), SOMAXCONN);
        socket.listen(message.sequence, backlog, (listener) => {
          if (!this.detached) this.options.onListen(listener);
        });
        break;
      }
      case OP.ACCEPT:
        socket.accepted(payload.u32());
        break;
      default:
        throw new MessageInvalid(`opcode ${message.opcode} is no call on a stream socket`);
    }
  }

  private onDatagramCall(message: Message, payload: PayloadReader, socket: DatagramSocket): void {
    switch (message.opcode) {
      case OP.DISCONNECT:
        socket.disconnect(message.sequence);
        break;
      case OP.MEMBERSHIP:
        socket.membership(
          message.sequence,
          payload.u32() !== 0,
          payload.endpoint(),
          payload.endpoint(),
        );
        break;
      default:
        throw new MessageInvalid(`opcode ${message.opcode} is no call on a datagram socket`);
    }
  }

  private create(id: number, payload: PayloadReader): void {
    const type = payload.u32();
    payload.u32();
    payload.end();
    const taken = this.sockets.has(id) || this.closingIds.has(id);
    if (id < 1 || id >= this.layout.maxSockets / 2 || taken) {
      throw new MessageInvalid(`socket number ${id} is not free for the guest`);
    }
    if (type === SOCK_STREAM) this.sockets.set(id, new StreamSocket(this, id));
    else if (type === SOCK_DGRAM) this.sockets.set(id, new DatagramSocket(this, id));
    else throw new MessageInvalid(`socket type ${type} is neither stream nor datagram`);
  }

  private pairEnded(payload: PayloadReader): void {
    const pair = payload.u32();
    const why = payload.u32();
    payload.end();
    if (!this.options.broker.pairEnded(this, pair, why)) {
      throw new MessageInvalid(`pair ${pair} is none of the guest's`);
    }
  }

  /** Shortcuts of before this agent, with the guest's ends of their kernel connections. */
  private restore(payload: PayloadReader): void {
    const fds = payload.u32() === 0 ? [] : this.takeLifelines();
    try {
      const count = payload.u32();
      if (count > DESCRIPTORS_MAX) throw new MessageInvalid(`${count} shortcuts at once`);
      for (let i = 0; i < count; i++) {
        const id = payload.u32();
        const socket = this.sockets.get(id);
        if (!(socket instanceof StreamSocket)) {
          throw new MessageInvalid(`socket ${id} is no stream socket of the guest`);
        }
        socket.restore(fds.shift() ?? -1);
        this.clear(id);
      }
      payload.end();
    } finally {
      for (const fd of fds) closeFd(fd);
    }
  }

  /**
   * Descriptors wait on the channel, at a look. Those of a call are taken within a turn: what
   * waits at two looks was announced by none.
   */
  descriptorsWait(): void {
    if (this.detached) return;
    if (this.unannounced) this.options.onPoisoned("descriptors came that no call announced");
    this.unannounced = true;
  }

  private takeLifelines(): number[] {
    this.unannounced = false;
    try {
      const received = recvWithFds(this.options.channelFd, 1, DESCRIPTORS_MAX);
      if (received !== null && received.fds.length > 0) return received.fds;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      // No descriptor is left: the shortcuts go on without.
      if (error.code === "EMFILE") return [];
    }
    throw new MessageInvalid("lifelines were announced and did not come");
  }

  private resolve(sequence: number, payload: PayloadReader): void {
    const found = this.options.resolve(payload.text());
    payload.end();
    const writer = new PayloadWriter().u32(found.length);
    for (const endpoint of found) writer.endpoint(endpoint);
    const status = found.length === 0 ? ERRNO.ENOENT : 0;
    this.reply(OP.RESOLVE, sequence, 0, status, writer.done());
  }

  private closeSocket(id: number, socket: AnySocket, sequence: number, reset: boolean): void {
    this.sockets.delete(id);
    this.closingIds.add(id);
    socket.close(reset, () => {
      this.closingIds.delete(id);
      this.goneBytes += socket.bytes;
      if (id >= this.layout.maxSockets / 2) this.freeIds.push(id);
      this.reply(OP.CLOSE, sequence, id, 0, EMPTY);
      this.releaseIfDone();
    });
  }

  // End of life

  /** Text of the guest's kernel log (a ring that the guest writes; its words are not trusted). */
  kernelLog(): string {
    const { klogOffset, klogBytes } = this.layout;
    const tail = Atomics.load(this.memory.words, HEADER.KLOG_TAIL) >>> 0;
    const length = Math.min(tail, klogBytes);
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) {
      bytes[i] = this.memory.bytes[klogOffset + ((tail - length + i) % klogBytes)]!;
    }
    return bytes.toString("utf8");
  }

  /**
   * The guest is gone, or broke the protocol (`abort`): closes its sockets; the region is given
   * back once the kernel has taken what the guest wrote before.
   */
  detach(abort: boolean, released: () => void): void {
    if (this.detached) return;
    this.detached = true;
    this.released = released;
    this.options.broker.leave(this);
    for (const [id, socket] of [...this.sockets]) this.closeSocket(id, socket, 0, abort);
    this.releaseIfDone();
  }

  private releaseIfDone(): void {
    if (!this.detached || this.closingIds.size > 0 || this.sockets.size > 0) return;
    const { released } = this;
    if (released === undefined) return;
    this.released = undefined;
    this.port.close();
    // Not now: whoever found the breach may be deep in a call that still looks at the memory.
    setImmediate(() => {
      this.options.mapping.unmap();
      released();
    });
  }
}
