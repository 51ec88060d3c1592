/**
 * The guest's link to its host agent, over as many attachments as there are agents in its life.
 *
 * When the agent goes, every connection is reset and calls fail with ENETDOWN; the link attaches
 * again as soon as an agent is there, and listeners and bound datagram sockets go on by themselves.
 */

import {
  CLOSE_RESET,
  COUNTERS,
  type CounterName,
  DESCRIPTORS_MAX,
  HEADER,
  OP,
  PAIR_BROKEN,
  PAIR_GONE,
  PAIR_REFUSED,
} from "@outsock/abi";
import { closeFd, watchProcessors } from "@outsock/hostsys";
import { GrownRings, PollLoop, RingCorrupted } from "@outsock/ring";
import {
  type AttachRequest,
  type Message,
  MessageInvalid,
  PayloadReader,
  PayloadWriter,
} from "@outsock/vrpc";
import type { KernelLog } from "../kernel/klog.ts";
import { AttachError, type Attachment, attachNow, Handshake } from "./attach.ts";
import { Channel } from "./channel.ts";
import { giveDescriptors, takeDescriptors } from "./descriptor-channel.ts";
import type { PairEnd } from "./pair-end.ts";
import { Pairs } from "./pairs.ts";

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

/** A shortcut of before, as it is told to a new agent. */
export interface Restored {
  /** Its new number. */
  id: number;
  /** Its lifeline, -1 for none. */
  fd: number;
}

/** What the link tells each socket. */
export interface LinkedSocket {
  onEvents(events: number): void;
  onNotification(message: Message): void;
  /** The kernel's connection under a shortcut, the socket's from then on. @returns false to refuse */
  onLifeline?(fd: number): boolean;
  /** The agent is gone. */
  onLost(): void;
  /** Another agent is there: make the socket again where it can live on. */
  onAttached(): Restored | undefined;
  /** The process ends. */
  onExit?(): void;
}

/** Halt polling of a guest, microseconds. */
const POLL = { start: 10, maximum: 500 };
const ATTACH_TIMEOUT = 5000;
const RETRY_FIRST = 20;
const RETRY_LAST = 1000;
/** How often rings that have grown are looked at, milliseconds. */
const SWEEP_EVERY = 1000;
/** Turns of polling after which the counters in the region are brought up to date. */
const COUNTERS_EVERY = 256;

export class Link {
  private readonly options: LinkOptions;
  private readonly loop: PollLoop;
  private readonly sockets = new Map<number, LinkedSocket>();
  private readonly all = new Set<LinkedSocket>();
  private freeIds: number[] = [];
  private nextId = 1;
  private stop: (() => void) | undefined;
  private request: AttachRequest;
  private readonly pairs: Pairs;
  private readonly grown: GrownRings;
  private relayBytes = 0;
  private shortcutBytes = 0;
  private turns = 0;
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
          this.turns++;
          if (this.turns % COUNTERS_EVERY === 0 || !this.loop.busy) this.publishCounters();
        }),
    });
    this.grown = new GrownRings((sweep) => options.after(SWEEP_EVERY, sweep));
    this.pairs = new Pairs({
      grown: this.grown,
      watch: (fd, onRing, onGone) => options.watch.start(fd, onRing, onGone),
      defer: options.defer,
      log: (sentence) => options.log.write(sentence),
      onRefused: (id) => this.pairEnded(id, PAIR_REFUSED),
      onRing: (pair) => {
        if (!pair.own || !pair.drainAndSleep()) this.loop.rung(pair);
        options.run();
      },
      onEnded: (pair, broken) => {
        this.loop.remove(pair);
        if (broken !== undefined) {
          options.log.write(`outsock: another guest broke the protocol of a shortcut: ${broken}`);
        }
        if (this.channel.alive && this.pairs.get(pair.id, pair.side) === pair) {
          this.pairEnded(pair.id, broken === undefined ? PAIR_GONE : PAIR_BROKEN);
        }
        this.pairs.forget(pair);
        options.run();
      },
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
      onNotification: (message) => this.onNotification(message),
      onClosed: (socket) => {
        if (socket < layout.maxSockets / 2) this.freeIds.push(socket);
      },
      defer: this.options.defer,
      onMissedDoorbell: () => this.loop.expect(this.channel),
      after: this.options.after,
      grown: this.grown,
      guard: (work) => this.guard(work),
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

  private onNotification(message: Message): void {
    const payload = new PayloadReader(message.payload);
    switch (message.opcode) {
      case OP.ACCEPTED:
        this.accepted(payload.u32(), message);
        break;
      case OP.PAIR:
        this.pairs.take(payload, this.attachment.channelFd);
        break;
      case OP.LIFELINES:
        this.takeLifelines(payload);
        break;
      default:
        throw new MessageInvalid(`opcode ${message.opcode} is no notification`);
    }
  }

  private accepted(listener: number, message: Message): void {
    const socket = this.sockets.get(listener);
    if (socket !== undefined) {
      socket.onNotification(message);
      return;
    }
    // The listener was closed meanwhile: the kernel resets what nobody accepted.
    const payload = new PayloadWriter().u32(CLOSE_RESET).done();
    this.channel.call(OP.CLOSE, message.socket, payload);
  }

  private pairEnded(id: number, reason: number): void {
    const payload = new PayloadWriter().u32(id).u32(reason).done();
    this.guard(() => this.channel.call(OP.PAIR_ENDED, 0, payload));
  }

  private takeLifelines(payload: PayloadReader): void {
    const fds = takeDescriptors(this.attachment.channelFd, DESCRIPTORS_MAX);
    const count = payload.u32();
    // Without room for them the shortcuts go on without: the agent has ends of its own.
    for (let i = 0; i < count; i++) {
      const socket = this.sockets.get(payload.u32());
      const fd = fds[i];
      if (fd !== undefined && socket?.onLifeline?.(fd) !== true) closeFd(fd);
    }
    for (const fd of fds.slice(count)) closeFd(fd);
  }

  /** Tells a new agent of the shortcuts that outlived the old one, and gives it their lifelines. */
  private restore(restored: readonly Restored[]): void {
    const groups = [restored.filter(({ fd }) => fd !== -1), restored.filter(({ fd }) => fd === -1)];
    for (const [group, some] of groups.entries()) {
      for (let at = 0; at < some.length; at += DESCRIPTORS_MAX) {
        const batch = some.slice(at, at + DESCRIPTORS_MAX);
        const fds = batch.map(({ fd }) => fd);
        const sent = group === 0 && giveDescriptors(this.attachment.channelFd, fds);
        const payload = new PayloadWriter().u32(sent ? 1 : 0).u32(batch.length);
        for (const { id } of batch) payload.u32(id);
        this.channel.call(OP.RESTORE, 0, payload.done());
      }
    }
  }

  /** This side's end of a pair, if the guest could take it. */
  pair(id: number, side: number): PairEnd | undefined {
    return this.pairs.get(id, side);
  }

  /** - The socket touches the memory of the pair no more. */
  leavePair(pair: PairEnd, slot: number): void {
    this.pairs.leave(pair, slot);
  }

  /** Bytes of the program moved, through a pair or the relay. */
  moved(pair: PairEnd | undefined, bytes: number): void {
    if (pair === undefined) this.relayBytes += bytes;
    else this.shortcutBytes += bytes;
  }

  private publishCounters(): void {
    if (!this.channel.alive) return;
    const total = { ...this.channel.counters };
    for (const { counters } of this.pairs.all()) {
      total.doorbellsSent += counters.doorbellsSent;
      total.doorbellsSaved += counters.doorbellsSaved;
      total.wakeups += counters.wakeups;
    }
    const { words } = this.attachment.memory;
    const values: Record<CounterName, number> = {
      ...total,
      polls: this.loop.polls,
      relayBytes: this.relayBytes,
      shortcutBytes: this.shortcutBytes,
    };
    for (const [i, name] of COUNTERS.entries()) {
      const word = HEADER.COUNTERS + i * 2;
      Atomics.store(words, word, values[name] | 0);
      Atomics.store(words, word + 1, Math.floor(values[name] / 2 ** 32) | 0);
    }
  }

  /** The process ends: its shortcuts end as the kernel's sockets do. */
  exit(): void {
    for (const socket of this.all) socket.onExit?.();
    this.publishCounters();
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
    if (this.attachment.channelFd !== -1) closeFd(this.attachment.channelFd);
    this.sockets.clear();
    for (const socket of [...this.all]) socket.onLost();
    this.pairs.orphan();
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
        const restored: Restored[] = [];
        for (const socket of [...this.all]) {
          this.guard(() => {
            const one = socket.onAttached();
            if (one !== undefined) restored.push(one);
          });
        }
        this.guard(() => this.restore(restored));
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
