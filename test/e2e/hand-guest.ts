/** A guest made by hand: speaks to the agent as packages/vrpc/README.md has it, and can break all of it. */
import { AF_INET, CCB, HEADER, OP, SOCK_STREAM } from "@outsock/abi";
import {
  closeFd,
  type Mapping,
  mapShared,
  recvWithFds,
  SysError,
  sendByte,
  sendWithFds,
  unixConnect,
} from "@outsock/hostsys";
import {
  ccbWord,
  openRegion,
  type RegionLayout,
  RingConsumer,
  rxRingPlace,
  type SharedMemory,
  sharedMemory,
} from "@outsock/ring";
import {
  type AttachReply,
  type Message,
  PayloadWriter,
  type Refusal,
  takeMessage,
} from "@outsock/vrpc";
import { until } from "./wait.ts";

const HEADER_BYTES = 20;

/** What an honest guest would say. */
export const HONEST = {
  request: "attach",
  protocol: { min: 1, max: 1 },
  pid: process.pid,
  program: "made by hand",
  publish: [],
};

/** One that speaks version 2 too. */
export const HONEST_2 = { ...HONEST, protocol: { min: 1, max: 2 } };

export class HandGuest {
  readonly fd: number;
  /** Where descriptors come; -1 in version 1. */
  readonly channelFd: number;
  private readonly replies: RingConsumer;
  readonly reply: AttachReply;
  readonly memory: SharedMemory;
  readonly layout: RegionLayout;
  private readonly mapping: Mapping;
  private callTail = 0;
  private queueTail = 0;
  private sequence = 0;

  private constructor(fd: number, reply: AttachReply, regionFd: number, channelFd: number) {
    this.fd = fd;
    this.channelFd = channelFd;
    this.reply = reply;
    this.mapping = mapShared(regionFd, reply.regionBytes);
    closeFd(regionFd);
    this.memory = sharedMemory(this.mapping.buffer);
    this.layout = openRegion(this.memory);
    const { callRingBytes, replyRing } = this.layout;
    const place = rxRingPlace(this.layout, 0, replyRing, callRingBytes);
    this.replies = new RingConsumer(this.memory, place);
  }

  static async attach(path: string, request: object = HONEST): Promise<HandGuest> {
    const fd = unixConnect(path);
    sendWithFds(fd, Buffer.from(`${JSON.stringify(request)}\n`), []);
    let text = "";
    let regionFd = -1;
    let channelFd = -1;
    await until("the agent's answer", () => {
      const received = recvWithFds(fd, 16384, 2);
      if (received === null) return false;
      if (received.data.length === 0) throw new Error(`the agent hung up after "${text}"`);
      text += received.data.toString();
      if (received.fds[0] !== undefined) regionFd = received.fds[0];
      if (received.fds[1] !== undefined) channelFd = received.fds[1];
      return text.includes("\n");
    });
    const reply = JSON.parse(text) as AttachReply | Refusal;
    if (!reply.ok) throw new Error(reply.error);
    return new HandGuest(fd, reply, regionFd, channelFd);
  }

  /** Waits for the next message. */
  next(): Promise<Message> {
    return until("a message", () => takeMessage(this.replies)?.message);
  }

  /** Descriptors of one message on the channel. */
  descriptors(most: number): Promise<number[]> {
    return until("descriptors", () => recvWithFds(this.channelFd, 1, most)?.fds);
  }

  /** Puts descriptors on the channel; an agent that has hung up does not get them. */
  sendDescriptors(fds: readonly number[]): void {
    try {
      sendWithFds(this.channelFd, new Uint8Array(1), fds);
    } catch (error) {
      if (!(error instanceof SysError) || error.code !== "EPIPE") throw error;
    }
  }

  /** Writes bytes as they are into the call ring and tells the agent. */
  putCall(bytes: Uint8Array): void {
    const { callRing, callRingBytes } = this.layout;
    for (const [i, byte] of bytes.entries()) {
      this.memory.bytes[callRing + ((this.callTail + i) & (callRingBytes - 1))] = byte;
    }
    this.callTail = (this.callTail + bytes.length) | 0;
    this.setCcb(0, CCB.TX_TAIL, this.callTail);
    this.notify(0, 1);
  }

  /** A message of any opcode; `length` lies about its length. */
  call(opcode: number, socket: number, payload: Uint8Array, length?: number): void {
    const bytes = new Uint8Array(HEADER_BYTES + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, length ?? bytes.length, true);
    view.setUint16(4, opcode, true);
    view.setUint32(8, ++this.sequence, true);
    view.setUint32(12, socket, true);
    bytes.set(payload, HEADER_BYTES);
    this.putCall(bytes);
  }

  /** Makes a socket as an honest guest would. */
  socket(socket: number, type: number = SOCK_STREAM): void {
    this.call(OP.SOCKET, socket, new PayloadWriter().u32(type).u32(AF_INET).done());
  }

  /** Asks for a connection to an IPv4 address. */
  connect(socket: number, address: string, port: number): void {
    this.socket(socket);
    const to = new PayloadWriter().endpoint({ address, port, family: 4 }).done();
    this.call(OP.CONNECT, socket, to);
  }

  /** Queues an event and rings. */
  notify(socket: number, events: number): void {
    const { toAgentQueue, queueCapacity, maxSockets } = this.layout;
    if (socket >= 0 && socket < maxSockets) {
      Atomics.or(this.memory.words, ccbWord(this.layout, socket, CCB.TO_AGENT_PENDING), events);
    }
    const entry = toAgentQueue / 4 + (this.queueTail & (queueCapacity - 1));
    Atomics.store(this.memory.words, entry, socket);
    this.queueTail = (this.queueTail + 1) | 0;
    this.setWord(HEADER.TO_AGENT_TAIL, this.queueTail);
    this.ring();
  }

  ring(): void {
    sendByte(this.fd);
  }

  setWord(word: number, value: number): void {
    Atomics.store(this.memory.words, word, value);
  }

  setCcb(socket: number, word: number, value: number): void {
    this.setWord(ccbWord(this.layout, socket, word), value);
  }

  close(): void {
    closeFd(this.fd);
    if (this.channelFd !== -1) closeFd(this.channelFd);
    this.mapping.unmap();
  }
}
