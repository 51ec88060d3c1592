/**
 * The sessions of one event loop, and what they share: polling, listeners, lifelines, and where
 * ends of shortcuts find each other. An agent has one in its own thread, or one in each worker.
 */
import type { Socket } from "node:net";
import { PATH, PROTOCOL_SHORTCUT } from "@outsock/abi";
import { closeFd, dupFd, sendWithFds, socketpair, watchProcessors } from "@outsock/hostsys";
import { GrownRings, PollLoop } from "@outsock/ring";
import type { AttachReply, Endpoint } from "@outsock/vrpc";
import type { AgentLog } from "./agent-log.ts";
import type { Listener } from "./listener.ts";
import { ListenerDirectory } from "./listener-directory.ts";
import type { NetworkPlan } from "./network-plan.ts";
import { makeRegion } from "./region-memory.ts";
import { Session } from "./session.ts";
import { Broker, type BrokerOptions, type Matchmaker } from "./shortcut/broker.ts";
import { Lifelines } from "./shortcut/lifelines.ts";
import { fdOf } from "./tcp-handle.ts";

/** How often rings that have grown are looked at, ms. */
const SWEEP_EVERY = 1000;

/** Halt polling of the agent, microseconds. */
const POLL = { start: 10, maximum: 500 };

/** A guest's process that is let in; plain values, so that it can be told to another thread. */
export interface Visitor {
  guest: string;
  token: string;
  process: number;
  /** The guest's own address. */
  address: string;
  /** Agreed version. */
  protocol: number;
  /** As the agent sees it. */
  pid: number;
  /** False: no shortcuts. */
  shortcut: boolean;
  nameservers: string[];
  search: string[];
}

export interface VisitorHooks {
  plan: NetworkPlan;
  onListen(listener: Listener): void;
  resolve(name: string): Endpoint[];
  /** Before the guest is answered. */
  entered(session: Session): void;
  /** Its process is gone; called once after `entered`. */
  left(): void;
  /** Nothing of it is left in the kernel. */
  released(): void;
}

export interface SessionLoopOptions {
  log: AgentLog;
  directory?: ListenerDirectory;
  /** Finds ends also elsewhere, and those of this loop by `local`. */
  matchmaker?(local: Broker, lifelines: Lifelines): Matchmaker;
}

export class SessionLoop {
  private readonly log: AgentLog;
  private readonly poll: PollLoop;
  private readonly directory: ListenerDirectory;
  private readonly lifelines = new Lifelines();
  private readonly grown = new GrownRings((sweep) => void setTimeout(sweep, SWEEP_EVERY).unref());
  private readonly broker: Matchmaker;
  private readonly sessions = new Map<Session, (abort: boolean) => void>();
  private ending = false;

  constructor({ log, directory, matchmaker }: SessionLoopOptions) {
    this.log = log;
    this.directory = directory ?? new ListenerDirectory();
    this.poll = new PollLoop({
      ...POLL,
      now: () => performance.now() * 1000,
      ...watchProcessors(),
      defer: (turn) => setImmediate(turn),
    });
    const options: BrokerOptions = {
      defer: (turn) => setImmediate(turn),
      onMade: (shortcut) => this.lifelines.add(shortcut),
      onOver: (shortcut) => {
        shortcut.outlives = this.ending;
        this.lifelines.remove(shortcut);
      },
    };
    const local = new Broker(options);
    this.broker = matchmaker?.(local, this.lifelines) ?? local;
  }

  /**
   * Makes the session of a process on its connection, and answers the process.
   * @throws Refused when there is no memory; the connection is the caller's then
   */
  admit(socket: Socket, visitor: Visitor, hooks: VisitorHooks): void {
    const { guest, process, protocol } = visitor;
    const region = makeRegion(guest);
    const doorbellFd = dupFd(fdOf(socket));
    // From version 2 on a channel for descriptors comes with the region.
    const channel = protocol >= PROTOCOL_SHORTCUT ? socketpair() : undefined;
    const channelFd = channel?.[0] ?? -1;
    const session = new Session({
      mapping: region.mapping,
      plan: hooks.plan,
      version: protocol,
      doorbellFd,
      channelFd,
      directory: this.directory,
      lifelines: this.lifelines,
      broker: this.broker,
      grown: this.grown,
      shortcuts: this.shortcutsFor(visitor),
      onListen: (listener) => hooks.onListen(listener),
      resolve: (name) => hooks.resolve(name),
      onPoisoned: (reason) => {
        this.log.warn({ guest, process, reason }, "guest broke the protocol");
        leave(true);
      },
      onActive: () => this.poll.expect(session),
    });
    hooks.entered(session);
    const leave = (abort: boolean): void => {
      if (!this.sessions.delete(session)) return;
      this.poll.remove(session);
      closeFd(doorbellFd);
      if (channelFd !== -1) {
        this.lifelines.unwatch(channelFd);
        closeFd(channelFd);
      }
      hooks.left();
      session.detach(abort, () => hooks.released());
      socket.destroy();
      this.log.info({ guest, process }, "guest left");
    };
    this.sessions.set(session, leave);
    if (channelFd !== -1) {
      this.lifelines.watchChannel(channelFd, () => session.descriptorsWait());
    }
    try {
      const fds = channel === undefined ? [region.fd] : [region.fd, channel[1]];
      const line = `${JSON.stringify(replyTo(visitor, region.bytes))}\n`;
      sendWithFds(doorbellFd, Buffer.from(line), fds);
    } catch {
      leave(true);
    } finally {
      closeFd(region.fd);
      if (channel !== undefined) closeFd(channel[1]);
    }
    if (!this.sessions.has(session)) return;
    socket.on("data", () => this.poll.rung(session));
    socket.on("end", () => leave(false));
    socket.on("close", () => leave(false));
    const { pid, address } = visitor;
    this.log.info({ guest, process, pid, address }, "guest attached");
  }

  private shortcutsFor({ protocol, shortcut }: Visitor): Matchmaker | number {
    if (protocol < PROTOCOL_SHORTCUT) return PATH.OLD_PROTOCOL;
    return shortcut ? this.broker : PATH.DISABLED;
  }

  /** The agent ends, its guests do not: their shortcuts go on. */
  end(): void {
    this.ending = true;
  }

  /** Lets go of every session at once, whatever state it is in. */
  abandon(): void {
    this.end();
    for (const leave of this.sessions.values()) {
      try {
        leave(true);
      } catch {
        // What broke it may break this too; the others are let go all the same.
      }
    }
  }

  close(): void {
    this.lifelines.close();
  }
}

function replyTo(visitor: Visitor, regionBytes: number): AttachReply {
  return {
    ok: true,
    protocol: visitor.protocol,
    name: visitor.guest,
    token: visitor.token,
    process: visitor.process,
    address: visitor.address,
    regionBytes,
    nameservers: visitor.nameservers,
    search: visitor.search,
  };
}
