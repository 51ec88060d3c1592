/**
 * One attachment to a host agent: the port, the call and reply rings, and who waits for what. It
 * ends with its agent; the link above makes another one.
 */
import { CCB, ERRNO, EVENT, FLAG, HEADER, OP, PROTOCOL_SHORTCUT } from "@outsock/abi";
import { drainBytes, sendByte, waitReadable } from "@outsock/hostsys";
import {
  ccbWord,
  type GrownRings,
  type Pollable,
  Port,
  type PortCounters,
  portPlace,
  RingConsumer,
  RingProducer,
  rxRingPlace,
  txRingPlace,
} from "@outsock/ring";
import { type Message, MessageSender, takeMessage } from "@outsock/vrpc";
import type { Attachment } from "./attach.ts";
import { Conduit } from "./conduit.ts";

const CALLS_WAITING_MAX = 65536;
const BATCH = 1024;
const QUIET_DELAY = 5;
const EMPTY = new Uint8Array(0);

export interface Reply {
  /** 0 or a positive errno. */
  status: number;
  payload: Uint8Array;
}

export interface ChannelHandlers {
  /** Events (EVENT bits) of a socket. */
  onEvents(socket: number, events: number): void;
  /** A message that is no reply. */
  onNotification(message: Message): void;
  /** A socket number may be used again. */
  onClosed(socket: number): void;
  /** Runs at the end of this turn of the event loop. */
  defer(turn: () => void): void;
  /** A blocking call took the doorbell: look at the queue soon. */
  onMissedDoorbell(): void;
  /** Rings that have grown, of all regions of this process. */
  readonly grown: GrownRings;
  /** Calls once after `delay` milliseconds, without keeping the program alive. */
  after(delay: number, fire: () => void): void;
  /** Runs what reads the agent's bytes: a breach ends the attachment. */
  guard(work: () => void): void;
}

export class Channel implements Pollable {
  readonly attachment: Attachment;
  readonly conduit: Conduit;
  private readonly handlers: ChannelHandlers;
  private readonly port: Port;
  private readonly calls: MessageSender;
  private readonly replies: RingConsumer;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private sequence = 0;
  private tellsLater = false;
  alive = true;

  constructor(attachment: Attachment, handlers: ChannelHandlers) {
    const { fd, layout, memory } = attachment;
    this.attachment = attachment;
    this.conduit = new Conduit(memory, layout, "guest", {
      windows: layout.version >= PROTOCOL_SHORTCUT,
      grown: handlers.grown,
      onShrink: (offset, length) => attachment.mapping.discard(offset, length),
    });
    this.handlers = handlers;
    Atomics.store(memory.words, HEADER.GUEST_SLEEPING, 1);
    this.port = new Port(
      memory,
      portPlace(layout, "guest"),
      { ring: () => void sendByte(fd) },
      handlers.defer,
    );
    this.calls = new MessageSender(
      new RingProducer(memory, txRingPlace(layout, 0, layout.callRing, layout.callRingBytes)),
      () => this.port.notify(0, EVENT.DATA),
      CALLS_WAITING_MAX,
    );
    this.replies = new RingConsumer(
      memory,
      rxRingPlace(layout, 0, layout.replyRing, layout.callRingBytes),
    );
  }

  // Calls

  /** Sends a call; `done` gets the reply, or ENETDOWN when the agent goes first. */
  call(opcode: number, socket: number, payload: Uint8Array, done?: (reply: Reply) => void): void {
    if (!this.alive) {
      done?.({ status: ERRNO.ENETDOWN, payload: EMPTY });
      return;
    }
    this.sequence = (this.sequence + 1) >>> 0;
    if (done !== undefined) this.waiting.set(this.sequence, done);
    this.calls.send({ opcode, sequence: this.sequence, socket, status: 0, payload });
  }

  /**
   * Sends a call that nobody waits for: the agent gets it with the next one, or within
   * QUIET_DELAY milliseconds. Many short connections then wake it half as often.
   */
  callSoon(opcode: number, socket: number, payload: Uint8Array): void {
    if (!this.alive) return;
    this.sequence = (this.sequence + 1) >>> 0;
    this.calls.send({ opcode, sequence: this.sequence, socket, status: 0, payload }, true);
    if (this.tellsLater) return;
    this.tellsLater = true;
    this.handlers.after(QUIET_DELAY, () => {
      this.tellsLater = false;
      if (this.alive) this.guard(() => this.calls.tell());
    });
  }

  /**
   * Sends a call and blocks until its reply is there: for calls that are synchronous natively.
   * @param timeout milliseconds, then ETIMEDOUT
   */
  callNow(opcode: number, socket: number, payload: Uint8Array, timeout: number): Reply {
    let reply: Reply | undefined;
    this.call(opcode, socket, payload, (r) => {
      reply = r;
    });
    const sequence = this.sequence;
    const { fd, memory } = this.attachment;
    const deadline = performance.now() + timeout;
    for (;;) {
      this.takeReplies();
      if (reply !== undefined) break;
      // The call itself may still wait for room in the ring.
      this.calls.flush();
      this.port.flush();
      Atomics.store(memory.words, HEADER.GUEST_SLEEPING, 1);
      if (this.replies.available() > 0) continue;
      const left = deadline - performance.now();
      if (left <= 0) {
        this.waiting.delete(sequence);
        reply = { status: ERRNO.ETIMEDOUT, payload: EMPTY };
        break;
      }
      if (waitReadable(fd, Math.ceil(left)) && drainBytes(fd) === -1) {
        // The agent may have answered before it went.
        this.takeReplies();
        this.waiting.delete(sequence);
        reply ??= { status: ERRNO.ENETDOWN, payload: EMPTY };
        break;
      }
    }
    this.handlers.onMissedDoorbell();
    return reply;
  }

  private takeReplies(): void {
    let notify = false;
    for (;;) {
      const taken = takeMessage(this.replies);
      if (taken === undefined) break;
      notify ||= taken.notify;
      this.onMessage(taken.message);
    }
    if (notify) this.port.notify(0, EVENT.SPACE);
  }

  private onMessage(message: Message): void {
    const { opcode, sequence, socket, status, payload } = message;
    if (opcode >= OP.ACCEPTED) {
      this.handlers.onNotification(message);
      return;
    }
    const done = this.waiting.get(sequence);
    this.waiting.delete(sequence);
    done?.({ status, payload });
    if (opcode === OP.CLOSE) this.handlers.onClosed(socket);
  }

  // Sockets

  guard(work: () => void): void {
    this.handlers.guard(work);
  }

  notify(socket: number, events: number): void {
    if (this.alive) this.port.notify(socket, events);
  }

  /** errno that ended the connection; the agent's word, so any value is possible. */
  error(socket: number): number {
    const { layout, memory } = this.attachment;
    return Atomics.load(memory.words, ccbWord(layout, socket, CCB.ERROR));
  }

  /** Takes a datagram socket's error: the flag is cleared, the socket goes on. */
  takeError(socket: number): number {
    const { layout, memory } = this.attachment;
    const word = ccbWord(layout, socket, CCB.AGENT_FLAGS);
    Atomics.and(memory.words, word, ~FLAG.RESET);
    return this.error(socket);
  }

  // Pollable

  get counters(): PortCounters {
    return this.port.counters;
  }

  drain(): number {
    let handled = 0;
    this.guard(() => {
      while (handled < BATCH && this.alive) {
        const socket = this.port.taker.take();
        if (socket === -1) break;
        handled++;
        const { events } = this.port.taker;
        if (socket !== 0) {
          this.handlers.onEvents(socket, events);
          continue;
        }
        if (events & EVENT.SPACE) this.calls.flush();
        if (events & EVENT.DATA) this.takeReplies();
      }
    });
    return handled;
  }

  trySleep(): boolean {
    return !this.alive || this.port.trySleep();
  }

  wake(): void {
    this.port.wake();
  }

  /** The agent is gone: whoever waits gets ENETDOWN. The memory stays mapped: rings are in use. */
  end(): void {
    this.alive = false;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const done of waiting) done({ status: ERRNO.ENETDOWN, payload: EMPTY });
  }
}
