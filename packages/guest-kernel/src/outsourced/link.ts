/**
 * The guest's link to its host agent, over as many attachments as there are agents in its life.
 *
 * When the agent goes, every connection is reset and calls fail with ENETDOWN; the link attaches
 * again as soon as an agent is there, and listeners and bound datagram sockets go on by themselves.
 */

import { HEADER } from "@outsock/abi";
import { watchProcessors } from "@outsock/hostsys";
import { PollLoop, RingCorrupted } from "@outsock/ring";
import { type AttachRequest, type Message, MessageInvalid } from "@outsock/vrpc";
import type { KernelLog } from "../kernel/klog.ts";
import { AttachError, type Attachment, attachNow, Handshake } from "./attach.ts";
import { Channel } from "./channel.ts";

/** Waits for doorbells without keeping the program alive. */
export interface DoorbellWatch {
  /** Takes the descriptor over. @returns closes it */
  start(fd: number, onRing: () => void, onGone: () => void): () => void;
}

export interface LinkOptions {
  path: string;
  request: AttachRequest;
  watch: DoorbellWatch;
  log: KernelLog;
  now(): number;
  defer(turn: () => void): void;
  /** Calls once after `delay` milliseconds, without keeping the program alive. */
  after(delay: number, fire: () => void): void;
  /** Runs what became runnable: called from the event loop after events were handled. */
  run(): void;
}

/** What the link tells each socket. */
export interface LinkedSocket {
  onEvents(events: number): void;
  onNotification(message: Message): void;
  /** The agent is gone. */
  onLost(): void;
  /** Another agent is there: make the socket again where it can live on. */
  onAttached(): void;
}

/** Halt polling of a guest, microseconds. */
const POLL = { start: 10, maximum: 100 };
const ATTACH_TIMEOUT = 5000;
const RETRY_FIRST = 20;
const RETRY_LAST = 1000;

export class Link {
  private readonly options: LinkOptions;
  private readonly loop: PollLoop;
  private readonly sockets = new Map<number, LinkedSocket>();
  private readonly all = new Set<LinkedSocket>();
  private freeIds: number[] = [];
  private nextId = 1;
  private stop: (() => void) | undefined;
  private request: AttachRequest;
  channel!: Channel;
  attachment!: Attachment;

  constructor(options: LinkOptions) {
    this.options = options;
    this.request = options.request;
    this.loop = new PollLoop({
      ...POLL,
      now: () => options.now() * 1000,
      ...watchProcessors(),
      defer: (turn) =>
        options.defer(() => {
          this.guard(turn);
          options.run();
        }),
    });
  }

  /** Attaches for the first time, blocking. @throws AttachError, SysError */
  attach(): void {
    this.use(attachNow(this.options.path, this.request, ATTACH_TIMEOUT));
  }

  get alive(): boolean {
    return this.channel.alive;
  }

  private use(attachment: Attachment): void {
    const { reply, memory, layout } = attachment;
    this.attachment = attachment;
    this.request = {
      ...this.request,
      name: reply.name,
      token: reply.token,
      address: reply.address,
    };
    this.freeIds = [];
    this.nextId = 1;
    this.channel = new Channel(attachment, {
      onEvents: (socket, events) => this.sockets.get(socket)?.onEvents(events),
      onNotification: (message) => this.onAccepted(message),
      onClosed: (socket) => {
        if (socket < layout.maxSockets / 2) this.freeIds.push(socket);
      },
      defer: this.options.defer,
      onMissedDoorbell: () => this.loop.expect(this.channel),
    });
    this.options.log.moveTo({
      bytes: memory.bytes.subarray(layout.klogOffset, layout.klogOffset + layout.klogBytes),
      publish: (tail) => Atomics.store(memory.words, HEADER.KLOG_TAIL, tail),
    });
    this.options.log.write(
      `outsock: attached to the host agent as "${reply.name}" ${reply.address}, protocol ` +
        `${reply.protocol}, region ${attachment.mapping.length / 1024 / 1024} MiB`,
    );
    const { channel } = this;
    this.stop = this.options.watch.start(
      attachment.fd,
      () => {
        if (channel !== this.channel || !channel.alive) return;
        this.guard(() => this.loop.rung(channel));
        this.options.run();
      },
      () => {
        if (channel === this.channel && channel.alive) this.lost("the connection ended");
        this.options.run();
      },
    );
  }

  private onAccepted(message: Message): void {
    // The listener's number is the first field of the payload (ACCEPTED).
    const { payload } = message;
    if (payload.length < 4) throw new MessageInvalid("notification is cut off");
    const view = new DataView(payload.buffer, payload.byteOffset);
    this.sockets.get(view.getUint32(0, true))?.onNotification(message);
  }

  /** Runs what reads the agent's bytes: a breach of the protocol ends the attachment. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RingCorrupted) && !(error instanceof MessageInvalid)) throw error;
      this.lost(`the host agent broke the protocol: ${error.message}`);
    }
  }

  private lost(reason: string): void {
    const { channel } = this;
    if (!channel.alive) return;
    this.options.log.write(`outsock: host agent lost (${reason}); connections are reset`);
    this.loop.remove(channel);
    this.stop?.();
    channel.end();
    this.sockets.clear();
    for (const socket of [...this.all]) socket.onLost();
    this.retry(RETRY_FIRST);
  }

  private retry(delay: number): void {
    const again = (): void => this.retry(Math.min(delay * 2, RETRY_LAST));
    this.options.after(delay, () => {
      let handshake: Handshake;
      try {
        handshake = new Handshake(this.options.path, this.request);
      } catch {
        again();
        return;
      }
      const look = (): void => {
        let attachment: Attachment | undefined;
        try {
          attachment = handshake.poll();
        } catch (error) {
          handshake.cancel();
          if (error instanceof AttachError) {
            this.options.log.write(`outsock: cannot attach again: ${error.message}`);
          }
          again();
          return;
        }
        if (attachment === undefined) {
          this.options.after(RETRY_FIRST, look);
          return;
        }
        this.use(attachment);
        for (const socket of [...this.all]) this.guard(() => socket.onAttached());
        this.options.run();
      };
      look();
    });
  }

  // Sockets

  /** Keeps a socket told of loss and return of the agent, until `forget`. */
  register(socket: LinkedSocket): void {
    this.all.add(socket);
  }

  forget(socket: LinkedSocket): void {
    this.all.delete(socket);
  }

  /** A number for a new socket of this guest; undefined when all are in use. */
  takeId(socket: LinkedSocket): number | undefined {
    let id: number | undefined;
    if (this.nextId < this.attachment.layout.maxSockets / 2) id = this.nextId++;
    else id = this.freeIds.shift();
    if (id !== undefined) this.sockets.set(id, socket);
    return id;
  }

  bindId(id: number, socket: LinkedSocket): void {
    this.sockets.set(id, socket);
  }

  releaseId(id: number): void {
    this.sockets.delete(id);
  }

  /** The peer is expected to answer soon. */
  expect(): void {
    if (this.channel.alive) this.loop.expect(this.channel);
  }
}
