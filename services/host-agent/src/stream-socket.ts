/** A TCP socket that the guest made: bind, connect or listen decide what it becomes. */
import type { Socket } from "node:net";
import {
  BIND_REUSEADDR,
  BIND_REUSEPORT,
  BIND_V6ONLY,
  ERRNO,
  errnoOf,
  IPPROTO_IP,
  OP,
  PATH,
  SO_OUTSOCK_SHORTCUT,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_TYPE,
  SOCK_STREAM,
  SOL_OUTSOCK,
  SOL_SOCKET,
} from "@outsock/abi";
import {
  bindInet,
  closeFd,
  connectInet,
  dupFd,
  getsockname,
  getsockoptInt,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SysError,
  setsockoptInt,
} from "@outsock/hostsys";
import { type Endpoint, MessageInvalid, PayloadWriter, type RingPair } from "@outsock/vrpc";
import { Listener } from "./listener.ts";
import type { ListeningAt } from "./listener-directory.ts";
import { addressFor, type HostTarget, isWildcard, type NetworkPlan } from "./network-plan.ts";
import type { GuestSocket, SessionContext, SocketOption } from "./session-sockets.ts";
import type { Assignment, Matchmaker, Offer } from "./shortcut/broker.ts";
import { pathOf, refusal, type Way, writePath } from "./shortcut/path.ts";
import { proofsOf } from "./shortcut/proof.ts";
import { getOptionOf, PendingOptions, setOptionOn } from "./socket-options.ts";
import { StreamRelay } from "./stream-relay.ts";
import { connectionOfFd, fdOf, type KernelConnection, socketOfFd } from "./tcp-handle.ts";

const WILDCARD_PORT_TRIES = 16;

const EMPTY = new Uint8Array(0);

export interface BoundFd {
  fd: number;
  address: string;
  family: 4 | 6;
}

function errnoOfThrown(error: unknown): number {
  if (error instanceof SysError) return errnoOf(error.code);
  throw error;
}

/** Also one that was reset while no agent was there: that has to be told. */
function isTcp(fd: number): boolean {
  try {
    getsockname(fd);
    return getsockoptInt(fd, SOL_SOCKET, SO_TYPE) === SOCK_STREAM;
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    return false;
  }
}

/** Binds one descriptor for each address, all to one port. @throws SysError */
export function bindAll(
  plan: NetworkPlan,
  type: "tcp" | "udp",
  addresses: readonly string[],
  port: number,
  flags: number,
): { fds: BoundFd[]; port: number } {
  for (let attempt = 1; ; attempt++) {
    const fds: BoundFd[] = [];
    let chosen = port;
    try {
      for (const address of addresses) {
        const family = address.includes(":") ? 6 : 4;
        const fd = plan.inetSocket(type, family);
        fds.push({ fd, address, family });
        if (family === 6) {
          setsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, flags & BIND_V6ONLY ? 1 : 0);
        }
        if (type === "tcp" || flags & BIND_REUSEADDR)
          setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (flags & BIND_REUSEPORT) setsockoptInt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        bindInet(fd, address, chosen);
        chosen = getsockname(fd).port;
      }
      return { fds, port: chosen };
    } catch (error) {
      for (const { fd } of fds) closeFd(fd);
      const clash = port === 0 && error instanceof SysError && error.code === "EADDRINUSE";
      if (!clash || attempt === WILDCARD_PORT_TRIES) throw error;
    }
  }
}

interface ConnectedEnds {
  sequence: number;
  destination: Endpoint;
  target: HostTarget;
  /** As the kernel has it. */
  local: Endpoint;
}

export class StreamSocket implements GuestSocket {
  private readonly context: SessionContext;
  private readonly id: number;
  private readonly pending = new PendingOptions();
  private bound: { fds: BoundFd[]; local: Endpoint } | undefined;
  private wildcardPort: number | undefined;
  private relay: StreamRelay | undefined;
  private listener: Listener | undefined;
  /** The guest's end of a shortcut. */
  private end: Assignment | undefined;
  /** Kernel end of a shortcut that was there before this agent; -1 when it has none. */
  private lifeline: number | undefined;
  /** SO_OUTSOCK_SHORTCUT. */
  private shortcut = true;
  /** Connected, and its other end is looked for: ends that. */
  private withdraw: (() => void) | undefined;

  constructor(context: SessionContext, id: number) {
    this.context = context;
    this.id = id;
  }

  private get joined(): boolean {
    return this.withdraw !== undefined || this.end !== undefined || this.lifeline !== undefined;
  }

  /** It is a connection, or is becoming one. */
  get relayed(): boolean {
    return this.relay !== undefined || this.joined;
  }

  get bytes(): number {
    return this.relay?.bytes ?? 0;
  }

  bind(sequence: number, local: Endpoint, flags: number): void {
    const addresses = this.context.plan.bind(local, (flags & BIND_V6ONLY) !== 0);
    if (this.bound !== undefined || this.relay !== undefined) {
      this.answer(OP.BIND, sequence, ERRNO.EINVAL);
    } else if (typeof addresses === "number") {
      this.answer(OP.BIND, sequence, addresses);
    } else {
      try {
        const { fds, port } = bindAll(this.context.plan, "tcp", addresses, local.port, flags);
        this.bound = { fds, local: { ...local, port } };
        if (isWildcard(local)) {
          this.wildcardPort = port;
          this.context.plan.holdWildcard(port);
        }
        const payload = new PayloadWriter().endpoint(this.bound.local).done();
        this.answer(OP.BIND, sequence, 0, payload);
      } catch (error) {
        this.answer(OP.BIND, sequence, errnoOfThrown(error));
      }
    }
  }

  /** @param backlog at least 1 */
  listen(sequence: number, backlog: number, published: (listener: Listener) => void): void {
    const { bound } = this;
    if (bound === undefined || this.relay !== undefined || this.listener !== undefined) {
      this.answer(OP.LISTEN, sequence, ERRNO.EINVAL);
      return;
    }
    const listener = new Listener(this.context, this.id, backlog, bound.local, this.shortcut);
    try {
      for (const { fd, address } of bound.fds) {
        this.pending.applyTo(fd);
        listener.add(fd, address);
      }
    } catch (error) {
      bound.fds = [];
      this.bound = undefined;
      listener.close(() => {});
      this.answer(OP.LISTEN, sequence, errnoOfThrown(error));
      return;
    }
    bound.fds = [];
    this.listener = listener;
    this.answer(OP.LISTEN, sequence, 0, new PayloadWriter().endpoint(bound.local).done());
    published(listener);
  }

  accepted(count: number): void {
    this.listener?.accepted(count);
  }

  connect(sequence: number, destination: Endpoint): void {
    if (this.relay !== undefined || this.listener !== undefined || this.joined) {
      this.answer(OP.CONNECT, sequence, ERRNO.EISCONN);
      return;
    }
    const target = this.context.plan.target(destination);
    const { shortcuts, directory, plan } = this.context;
    if (typeof shortcuts === "number" || !this.shortcut) {
      const why = refusal(shortcuts, this.shortcut) ?? PATH.DISABLED;
      this.connectOut(sequence, destination, target, why);
      return;
    }
    const here = directory.find(plan, target.endpoint);
    const refused = here?.listener.noShortcut;
    if (refused !== undefined) {
      this.connectOut(sequence, destination, target, refused);
      return;
    }
    // A bound port cannot be had a second time, should the kernel not answer at once.
    if (here === undefined || this.bound !== undefined) {
      // In a pod it may be another one's port all the same, under a Service's address.
      const abroad = shortcuts.abroad && plan.mayBeGuest(target.endpoint);
      const offered = plan.oneToOne || here !== undefined || abroad;
      const offers = offered ? shortcuts : undefined;
      this.connectOut(sequence, destination, target, PATH.REMOTE_PEER, offers);
    } else {
      this.connectHere(sequence, destination, target, here, shortcuts);
    }
  }

  /** Connects to a listener of this agent's: the kernel answers within the call. */
  private connectHere(
    sequence: number,
    destination: Endpoint,
    target: HostTarget,
    here: ListeningAt,
    broker: Matchmaker,
  ): void {
    const { plan } = this.context;
    const { address, port } = target.endpoint;
    let fd = -1;
    let outcome: "connected" | "pending" | number;
    let local: Endpoint;
    try {
      const chosen = this.connectingFd(target.endpoint.family, target.source);
      fd = chosen.fd;
      this.pending.applyTo(fd);
      outcome = connectInet(fd, addressFor(chosen.family, address), port);
      local = getsockname(fd);
    } catch (error) {
      if (fd !== -1) closeFd(fd);
      this.answer(OP.CONNECT, sequence, errnoOfThrown(error));
      return;
    }
    if (outcome === "pending") {
      // The backlog is full, so the kernel asks again in a second: libuv waits for that.
      closeFd(fd);
      this.connectOut(sequence, destination, target, PATH.NOT_IN_TIME);
      return;
    }
    if (outcome !== "connected") {
      closeFd(fd);
      this.answer(OP.CONNECT, sequence, outcome);
      return;
    }
    const connection = connectionOfFd(fd);
    let taken = false;
    const ends = { sequence, destination, target, local };
    const offer: Offer = {
      kind: "connected",
      proofs: proofsOf(plan, fd, "connected", local, target.endpoint),
      member: this.context,
      socket: this.id,
      abroad: false,
      take: () => {
        taken = true;
        return fd;
      },
      giveBack: () => {
        taken = false;
      },
      settled: (way) => {
        this.withdraw = undefined;
        if (typeof way !== "number") this.connectedHere(ends, way);
        else this.relayConnected(ends, connection, way);
      },
    };
    this.withdraw = () => {
      broker.withdraw(offer);
      if (!taken) connection.close();
    };
    broker.offer(offer);
    here.listener.acceptNow(here.fd, here.address);
  }

  private connectedHere(ends: ConnectedEnds, way: Assignment): void {
    const { shortcut } = way;
    this.context.clear(this.id);
    this.join(way);
    this.answerConnect(ends, shortcut.slot.rings, way);
    // The accepting guest could not take it.
    if (shortcut.abandoned) this.context.reset(this.id, ERRNO.ECONNRESET);
  }

  /** A kernel connection stands that is no shortcut. */
  private relayConnected(ends: ConnectedEnds, connection: KernelConnection, why: number): void {
    const rings = this.context.allocateRings(this.id);
    if (rings === undefined) {
      connection.close();
      this.answer(OP.CONNECT, ends.sequence, ERRNO.ENOBUFS);
      return;
    }
    const relay = new StreamRelay(this.context, this.id, rings);
    this.relay = relay;
    const socket = connection.toSocket(relay);
    relay.connecting(socket);
    this.answerConnect(ends, rings.pair, { why });
    // The answer may have found the guest's ring broken.
    if (!relay.ending) relay.start(socket);
  }

  /**
   * Connects as libuv does, and relays.
   * @param offers where the connection is offered first: its peer may be a guest of this agent
   */
  private connectOut(
    sequence: number,
    destination: Endpoint,
    target: HostTarget,
    why: number,
    offers?: Matchmaker,
  ): void {
    let fd: number;
    let family: 4 | 6;
    try {
      ({ fd, family } = this.connectingFd(target.endpoint.family, target.source));
    } catch (error) {
      this.answer(OP.CONNECT, sequence, errnoOfThrown(error));
      return;
    }
    this.pending.applyTo(fd);
    const rings = this.context.allocateRings(this.id);
    if (rings === undefined) {
      closeFd(fd);
      this.answer(OP.CONNECT, sequence, ERRNO.ENOBUFS);
      return;
    }
    const relay = new StreamRelay(this.context, this.id, rings);
    this.relay = relay;
    const socket = socketOfFd(fd, relay);
    const settled = offers?.expectOffer(this.context.plan.mayBeGuest(target.endpoint));
    const failed = (error: NodeJS.ErrnoException): void => {
      this.answer(OP.CONNECT, sequence, errnoOf(error.code));
      this.relay = undefined;
      relay.close(true, () => {});
    };
    socket.once("error", failed);
    socket.once("close", () => settled?.());
    socket.once("connect", () => {
      socket.off("error", failed);
      const local: Endpoint = {
        address: socket.localAddress ?? "0.0.0.0",
        port: socket.localPort ?? 0,
        family: target.endpoint.family,
      };
      const ends = { sequence, destination, target, local };
      const relayed = (path: number): void => {
        relay.attach(socket);
        this.answerConnect(ends, rings.pair, { why: path });
        relay.onEvents(-1);
      };
      if (offers === undefined) relayed(why);
      else this.offerConnected(offers, ends, socket, relay, relayed);
      settled?.();
    });
    const { address, port } = target.endpoint;
    socket.connect({ host: addressFor(family, address), port });
    relay.connecting(socket);
  }

  /** Looks for the other end of a connection that libuv made; nothing is read before. */
  private offerConnected(
    broker: Matchmaker,
    ends: ConnectedEnds,
    socket: Socket,
    relay: StreamRelay,
    relayed: (path: number) => void,
  ): void {
    const failed = (): void => {};
    socket.on("error", failed);
    const { plan } = this.context;
    const fd = fdOf(socket);
    const offer: Offer = {
      kind: "connected",
      proofs: proofsOf(plan, fd, "connected", ends.local, ends.target.endpoint),
      member: this.context,
      socket: this.id,
      abroad: plan.mayBeGuest(ends.target.endpoint),
      // A socket that broke meanwhile has no descriptor: its number may be another one's by now.
      take: () => dupFd(fdOf(socket)),
      giveBack: closeFd,
      settled: (way) => {
        this.withdraw = undefined;
        socket.off("error", failed);
        if (typeof way === "number" && !socket.destroyed) {
          relayed(way);
          return;
        }
        this.relay = undefined;
        relay.abandon();
        if (typeof way === "number") {
          this.answer(OP.CONNECT, ends.sequence, ERRNO.ECONNRESET);
          return;
        }
        this.connectedHere(ends, way);
      },
    };
    this.withdraw = () => broker.withdraw(offer);
    broker.offer(offer);
  }

  private answerConnect(ends: ConnectedEnds, rings: RingPair, way: Way): void {
    const { sequence, destination, target, local } = ends;
    const { plan, version } = this.context;
    const writer = new PayloadWriter()
      .endpoint(plan.toGuest(local))
      .endpoint(isWildcard(destination) ? plan.toGuest(target.endpoint) : destination)
      .rings(rings);
    writePath(writer, version, way);
    this.context.countPath(pathOf(way));
    this.answer(OP.CONNECT, sequence, 0, writer.done());
  }

  /** A descriptor to connect with: the bound one, or a new one with the right source address. */
  private connectingFd(family: 4 | 6, source: string | undefined): { fd: number; family: 4 | 6 } {
    const { bound } = this;
    if (bound !== undefined) {
      // A socket bound to a wildcard connects from the address that its destination needs.
      const chosen = bound.fds.find((b) => b.address === source) ?? bound.fds[0];
      for (const other of bound.fds) if (other !== chosen) closeFd(other.fd);
      bound.fds = [];
      if (chosen !== undefined) return chosen;
    }
    const fd = this.context.plan.inetSocket("tcp", family);
    if (source !== undefined) {
      try {
        setsockoptInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        bindInet(fd, source, 0);
      } catch (error) {
        closeFd(fd);
        throw error;
      }
    }
    return { fd, family };
  }

  /** Becomes the guest's end of a connection that was accepted. */
  adopt(connection: KernelConnection, relay: StreamRelay): void {
    this.relay = relay;
    relay.start(connection.toSocket(relay));
  }

  /** Becomes the guest's end of a shortcut. */
  join(way: Assignment): void {
    this.end = way;
  }

  /** Is the end of a shortcut that was there before this agent. @param fd its lifeline, or -1 */
  restore(fd: number): void {
    if (this.bound !== undefined || this.relay !== undefined || this.joined) {
      if (fd !== -1) closeFd(fd);
      throw new MessageInvalid(`socket ${this.id} cannot be restored: it is in use`);
    }
    this.lifeline = fd;
    this.context.countPath(PATH.SHORTCUT);
    if (fd === -1) return;
    if (!isTcp(fd)) {
      // Whatever else a guest hands over is not kept: its own end of a connection to here, say.
      closeFd(fd);
      this.lifeline = -1;
      return;
    }
    this.context.lifelines.watch(fd, {
      reset: (errno) => this.context.reset(this.id, errno),
      // Only one of the two ends had been handed out when the agent before went.
      finished: () => this.endLifeline(),
    });
  }

  onEvents(events: number): void {
    this.relay?.onEvents(events);
  }

  setOption(option: SocketOption): number {
    if (option.level === SOL_OUTSOCK && option.name === SO_OUTSOCK_SHORTCUT) {
      this.shortcut = option.value !== 0;
      return 0;
    }
    const fd = this.fd();
    return fd === -1 ? this.pending.set(option) : setOptionOn(fd, option);
  }

  getOption(level: number, name: number): { errno: number; value: number } {
    const fd = this.fd();
    return fd === -1 ? this.pending.get(level, name) : getOptionOf(fd, level, name);
  }

  private fd(): number {
    const { end } = this;
    if (end !== undefined) return end.shortcut.ends[end.side].fd;
    return this.lifeline ?? this.relay?.fd() ?? this.bound?.fds[0]?.fd ?? -1;
  }

  closedByGuest(reset: boolean): void {
    this.end?.shortcut.closedByGuest(this.end.side, reset);
  }

  close(reset: boolean, closed: () => void): void {
    for (const { fd } of this.bound?.fds ?? []) closeFd(fd);
    this.bound = undefined;
    if (this.wildcardPort !== undefined) this.context.plan.releaseWildcard(this.wildcardPort);
    this.withdraw?.();
    this.withdraw = undefined;
    if (this.relay !== undefined) {
      this.relay.close(reset, closed);
    } else if (this.listener !== undefined) {
      this.listener.close(closed);
    } else {
      this.end?.shortcut.close(this.end.side);
      this.endLifeline();
      closed();
    }
  }

  private endLifeline(): void {
    if (this.lifeline === undefined || this.lifeline === -1) return;
    this.context.lifelines.unwatch(this.lifeline);
    closeFd(this.lifeline);
    this.lifeline = -1;
  }

  private answer(
    opcode: number,
    sequence: number,
    status: number,
    payload: Uint8Array = EMPTY,
  ): void {
    this.context.reply(opcode, sequence, this.id, status, payload);
  }
}
