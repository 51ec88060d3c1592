/** A TCP socket whose protocol work is outsourced: its bytes go through two rings. */
import {
  AF_INET6,
  BIND_REUSEPORT,
  BIND_V6ONLY,
  CLOSE_RESET,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  ERRNO,
  EVENT,
  FLAG,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  OP,
  PAIR_MAX_SOCKETS,
  PATH,
  PROTOCOL_SHORTCUT,
  SHUT_RD,
  SHUT_WR,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_OUTSOCK_PATH,
  SO_OUTSOCK_SHORTCUT,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_OUTSOCK,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from "@outsock/abi";
import { closeFd } from "@outsock/hostsys";
import type { RingConsumer, RingProducer } from "@outsock/ring";
import {
  type Endpoint,
  type Message,
  MessageInvalid,
  PayloadReader,
  PayloadWriter,
  type RingPair,
} from "@outsock/vrpc";
import { type SocketAddress, SocketFile, type SocketState } from "../net/protocol-family.ts";
import { fromEndpoint, toEndpoint } from "./addresses.ts";
import type { Reply } from "./channel.ts";
import type { Conduit } from "./conduit.ts";
import type { Link, LinkedSocket, Restored } from "./link.ts";
import type { PairEnd, PairSocket } from "./pair-end.ts";

/** How long a call that is synchronous natively may block, milliseconds. */
export const CALL_TIMEOUT = 10_000;

/** How the bytes of a connection go: as CONNECT and ACCEPTED say. */
interface Route {
  rings: RingPair;
  /** PATH; version 1 says nothing of it. */
  path: number;
  pair: PairEnd | undefined;
  /** Number of the connection in its region. */
  slot: number;
}

/** A backlog beyond this has room for connections that come before the agent knows of a credit. */
const CREDITS_IN_RESERVE = 64;

interface Waiting {
  id: number;
  local: Endpoint;
  peer: Endpoint;
  route: Route;
}

/** Who carries the bytes: the host agent, or another guest through a pair. */
interface Carrier {
  readonly conduit: Conduit;
  readonly alive: boolean;
  notify(socket: number, events: number): void;
  /** Runs what reads the peer's bytes. */
  guard(work: () => void): void;
}

interface Wire {
  carrier: Carrier;
  pair: PairEnd | undefined;
  number: number;
  tx: RingProducer;
  rx: RingConsumer;
}

/**
 * Options that a shortcut has no use for: no segment is delayed, no silence is probed. They are
 * kept, so that a program reads what it wrote, with what Linux has before (tcp(7)).
 */
const WITHOUT_EFFECT = new Map([
  [`${IPPROTO_TCP}/${TCP_NODELAY}`, 0],
  [`${SOL_SOCKET}/${SO_KEEPALIVE}`, 0],
  [`${IPPROTO_TCP}/${TCP_KEEPIDLE}`, 7200],
  [`${IPPROTO_TCP}/${TCP_KEEPINTVL}`, 75],
  [`${IPPROTO_TCP}/${TCP_KEEPCNT}`, 9],
]);

/** Holds a pair for a connection that the program has not accepted. */
const UNACCEPTED: PairSocket = { onPairEvents() {}, onPairEnded() {} };

export class OutsourcedStream extends SocketFile implements LinkedSocket, PairSocket {
  readonly type = SOCK_STREAM;
  readonly domain: number;
  private readonly link: Link;
  state: SocketState = "unconnected";
  private id: number;
  private local: SocketAddress | undefined;
  private peer: SocketAddress | undefined;
  private wire: Wire | undefined;
  private path: number = PATH.REMOTE_PEER;
  /** This end of the kernel's connection under a shortcut; -1 until it comes. */
  private lifeline = -1;
  private readonly options = new Map<string, number>();
  private flags = 0;
  private backlog = 0;
  private readonly queue: Waiting[] = [];
  /** Error for the next call (SO_ERROR), a positive errno. */
  private error = 0;
  private shutRead = false;
  private shutWrite = false;
  private reset = false;
  private aborting = false;
  private released = false;

  constructor(link: Link, domain: number, id: number) {
    super();
    this.link = link;
    this.domain = domain;
    this.id = id;
    link.register(this);
  }

  private get channel() {
    return this.link.channel;
  }

  // Making

  /** Takes a number and tells the agent. @returns false when all numbers are in use */
  open(): boolean {
    const id = this.link.takeId(this);
    if (id === undefined) return false;
    this.id = id;
    this.create();
    return true;
  }

  private create(): void {
    const payload = new PayloadWriter().u32(SOCK_STREAM).u32(this.domain).done();
    this.channel.call(OP.SOCKET, this.id, payload);
  }

  bind(address: SocketAddress): number {
    if (this.local !== undefined || this.state !== "unconnected") return -ERRNO.EINVAL;
    if (address.family !== this.domain) return -ERRNO.EAFNOSUPPORT;
    const payload = new PayloadWriter().endpoint(toEndpoint(address)).u32(this.flags).done();
    const reply = this.channel.callNow(OP.BIND, this.id, payload, CALL_TIMEOUT);
    if (reply.status !== 0) return -reply.status;
    this.local = { ...address, port: new PayloadReader(reply.payload).endpoint().port };
    return 0;
  }

  override listen(backlog: number): number {
    if (this.state === "listening") return 0;
    if (this.state !== "unconnected") return -ERRNO.EINVAL;
    if (this.local === undefined) {
      const any = this.domain === AF_INET6 ? "::" : "0.0.0.0";
      const bound = this.bind({ family: this.domain, address: any, port: 0 });
      if (bound !== 0) return bound;
    }
    const payload = new PayloadWriter().u32(Math.max(backlog, 0)).done();
    const reply = this.channel.callNow(OP.LISTEN, this.id, payload, CALL_TIMEOUT);
    if (reply.status !== 0) return -reply.status;
    this.state = "listening";
    this.backlog = backlog;
    return 0;
  }

  override accept(): SocketFile | number {
    if (this.state !== "listening") return -ERRNO.EINVAL;
    const waiting = this.queue.shift();
    if (waiting === undefined) return -ERRNO.EAGAIN;
    this.giveCredit();
    const socket = new OutsourcedStream(this.link, this.domain, waiting.id);
    this.link.bindId(waiting.id, socket);
    socket.established(waiting.local, waiting.peer, waiting.route);
    // What the agent told of before the connection had a socket here.
    socket.onEvents(0);
    return socket;
  }

  /** One more connection may come. With some in reserve the agent need not know at once. */
  private giveCredit(): void {
    const payload = new PayloadWriter().u32(1).done();
    if (this.backlog > CREDITS_IN_RESERVE) this.channel.callSoon(OP.ACCEPT, this.id, payload);
    else this.channel.call(OP.ACCEPT, this.id, payload);
  }

  connect(address: SocketAddress): number {
    if (this.state === "connecting") return -ERRNO.EALREADY;
    if (this.state !== "unconnected") return -ERRNO.EISCONN;
    if (address.family !== this.domain) return -ERRNO.EAFNOSUPPORT;
    if (!this.link.alive) return -ERRNO.ENETDOWN;
    this.state = "connecting";
    const { id } = this;
    const payload = new PayloadWriter().endpoint(toEndpoint(address)).done();
    this.channel.call(OP.CONNECT, id, payload, (reply) => {
      if (!this.released && this.id === id) this.connected(reply);
    });
    this.link.expect();
    return -ERRNO.EINPROGRESS;
  }

  private connected(reply: Reply): void {
    if (this.state !== "connecting") return;
    if (reply.status !== 0) {
      this.state = "unconnected";
      this.error = reply.status;
    } else {
      const payload = new PayloadReader(reply.payload);
      const local = payload.endpoint();
      const peer = payload.endpoint();
      const route = this.readRoute(payload);
      if (route === undefined) {
        this.closeNumber(this.id, CLOSE_RESET);
        this.link.releaseId(this.id);
        this.id = 0;
        this.state = "unconnected";
        this.error = ERRNO.ECONNRESET;
      } else {
        this.established(local, peer, route);
      }
    }
    this.changed();
  }

  /** @returns undefined when it goes through a pair that this guest could not take */
  private readRoute(payload: PayloadReader): Route | undefined {
    const rings = payload.rings();
    if (this.link.attachment.reply.protocol < PROTOCOL_SHORTCUT) {
      return { rings, path: PATH.OLD_PROTOCOL, pair: undefined, slot: 0 };
    }
    const path = payload.u32();
    const id = payload.u32();
    const side = payload.u32();
    const slot = payload.u32();
    if (path !== PATH.SHORTCUT) return { rings, path, pair: undefined, slot: 0 };
    const pair = this.link.pair(id, side);
    if (slot < 1 || slot >= PAIR_MAX_SOCKETS) throw new MessageInvalid(`pair slot ${slot}`);
    return pair === undefined ? undefined : { rings, path, pair, slot };
  }

  private established(local: Endpoint, peer: Endpoint, route: Route): void {
    const { path, rings } = route;
    const pair = route.pair;
    const carrier = pair ?? this.channel;
    const number = pair === undefined ? this.id : route.slot;
    const tx = carrier.conduit.producer(number, rings);
    const rx = carrier.conduit.consumer(number, rings);
    this.wire = { carrier, pair, number, tx, rx };
    this.path = path;
    this.local = fromEndpoint(local, this.domain);
    this.peer = fromEndpoint(peer, this.domain);
    this.state = "connected";
    if (pair === undefined) return;
    pair.add(number, this);
    if (!pair.alive || pair.onlyHere(number)) this.onPairEnded();
  }

  // Bytes

  override read(target: Uint8Array): number {
    const { wire } = this;
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    if (wire === undefined) return this.takeError() ?? -ERRNO.ENOTCONN;
    const { rx } = wire;
    /** Stays undefined when the peer is found to have broken the protocol. */
    let result: number | undefined;
    wire.carrier.guard(() => {
      // Flags before the ring: what came before the end is read first.
      const finished = (this.peerFlags() & FLAG.FIN) !== 0;
      const ended = this.shutRead || this.reset || finished;
      const available = rx.available();
      if (available === 0 && finished) {
        result = 0;
        return;
      }
      if (available === 0 || this.shutRead) {
        result = this.takeError() ?? (ended ? 0 : -ERRNO.EAGAIN);
        return;
      }
      const length = Math.min(available, target.length);
      rx.copyOut(target, 0, length);
      result = length;
      this.link.moved(wire.pair, length);
      if (rx.consume(length)) wire.carrier.notify(wire.number, EVENT.SPACE);
    });
    return result ?? this.takeError() ?? -ERRNO.ECONNRESET;
  }

  override write(source: Uint8Array): number {
    const { wire } = this;
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    if (wire === undefined) return this.takeError() ?? -ERRNO.EPIPE;
    this.noticeReset();
    if (this.reset || this.shutWrite) return this.takeError() ?? -ERRNO.EPIPE;
    const { tx } = wire;
    let result = -ERRNO.EAGAIN;
    wire.carrier.guard(() => {
      let written = 0;
      for (;;) {
        written += tx.write(written === 0 ? source : source.subarray(written));
        const rest = source.length - written;
        if (rest === 0) break;
        // Room that came meanwhile is used at once: nobody will tell of it.
        const want = Math.min(tx.window / 2, rest);
        if (tx.freeOrWait(want) < want) break;
      }
      if (written > 0) this.wrote(wire, written);
      if (written > 0 || source.length === 0) result = written;
    });
    return result;
  }

  private wrote(wire: Wire, bytes: number): void {
    this.link.moved(wire.pair, bytes);
    wire.carrier.notify(wire.number, EVENT.DATA);
    // Who has closed answers bytes with a reset.
    if (wire.pair !== undefined && (this.peerFlags() & FLAG.CLOSED) !== 0) {
      this.noticeReset();
      this.changed();
    }
  }

  /** Chunks that fit together are published, and told of, at once. */
  override writev(chunks: readonly Uint8Array[]): number {
    const { wire } = this;
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (wire === undefined || total === 0 || this.shutWrite) return super.writev(chunks);
    this.noticeReset();
    if (this.reset) return super.writev(chunks);
    let written = false;
    wire.carrier.guard(() => {
      if (wire.tx.free() < total) return;
      wire.tx.writeAll(...chunks);
      this.wrote(wire, total);
      written = true;
    });
    return written ? total : super.writev(chunks);
  }

  override available(): number {
    let available = 0;
    const { wire } = this;
    wire?.carrier.guard(() => {
      available = wire.rx.available();
    });
    return available;
  }

  override queues(): { receive: number; send: number } {
    const { wire } = this;
    if (this.state === "listening") return { receive: this.queue.length, send: this.backlog };
    return {
      receive: this.available(),
      send: wire === undefined || this.reset ? 0 : wire.tx.fill(),
    };
  }

  private peerFlags(): number {
    const { wire } = this;
    return wire === undefined ? 0 : wire.carrier.conduit.peerFlags(wire.number);
  }

  private noticeReset(): void {
    const { wire } = this;
    if (this.reset || wire === undefined) return;
    const flags = this.peerFlags();
    if ((flags & FLAG.RESET) !== 0) {
      const error = wire.pair === undefined ? this.link.channel.error(this.id) : 0;
      this.resetBy(error || ERRNO.ECONNRESET);
    } else if ((flags & FLAG.CLOSED) !== 0) {
      // Bytes that nobody will read: the kernel would have answered them with a reset.
      wire.carrier.guard(() => {
        if (wire.tx.fill() === 0) return;
        this.resetBy((flags & FLAG.FIN) === 0 ? ERRNO.ECONNRESET : ERRNO.EPIPE);
      });
    }
  }

  private resetBy(error: number): void {
    this.reset = true;
    this.error = error;
  }

  private takeError(): number | undefined {
    this.noticeReset();
    const { error } = this;
    if (error === 0) return undefined;
    this.error = 0;
    return -error;
  }

  poll(): number {
    if (this.state === "listening") return this.queue.length > 0 ? EPOLLIN : 0;
    const { wire } = this;
    if (wire === undefined) return this.error !== 0 ? EPOLLERR | EPOLLHUP | EPOLLOUT : 0;
    this.noticeReset();
    let ready = 0;
    wire.carrier.guard(() => {
      // An end that came before the reset was told of already.
      const finished = !this.reset && (this.peerFlags() & FLAG.FIN) !== 0;
      if (this.error !== 0) ready |= EPOLLERR;
      if (this.reset) ready |= EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP;
      if (finished || this.shutRead) ready |= EPOLLIN | EPOLLRDHUP;
      else if (wire.rx.available() > 0) ready |= EPOLLIN;
      if (this.shutWrite || wire.tx.free() > 0) ready |= EPOLLOUT;
      if (finished && this.shutWrite) ready |= EPOLLHUP;
    });
    return ready;
  }

  // Options and names

  setsockopt(level: number, name: number, value: number): number {
    if (level === IPPROTO_IPV6 && name === IPV6_V6ONLY) {
      this.flags = value === 0 ? this.flags & ~BIND_V6ONLY : this.flags | BIND_V6ONLY;
      return 0;
    }
    if (level === SOL_SOCKET && name === SO_REUSEPORT) {
      this.flags = value === 0 ? this.flags & ~BIND_REUSEPORT : this.flags | BIND_REUSEPORT;
      return 0;
    }
    if (level === SOL_SOCKET && name === SO_REUSEADDR) return 0;
    this.options.set(`${level}/${name}`, value);
    if (this.wire?.pair !== undefined && WITHOUT_EFFECT.has(`${level}/${name}`)) return 0;
    if (this.reset || !this.link.alive) return -ERRNO.EINVAL;
    // No need to wait: options are set before later bytes are sent.
    this.channel.call(
      OP.SETSOCKOPT,
      this.id,
      new PayloadWriter().u32(level).u32(name).u32(value).done(),
    );
    return 0;
  }

  getsockopt(level: number, name: number): { result: number; value: number } {
    if (level === SOL_SOCKET && name === SO_ERROR) {
      return { result: 0, value: 0 - (this.takeError() ?? 0) };
    }
    if (level === SOL_OUTSOCK && name === SO_OUTSOCK_PATH) {
      return { result: this.wire === undefined ? -ERRNO.ENOTCONN : 0, value: this.path };
    }
    const option = `${level}/${name}`;
    if (this.wire?.pair !== undefined && WITHOUT_EFFECT.has(option)) {
      return { result: 0, value: this.options.get(option) ?? WITHOUT_EFFECT.get(option)! };
    }
    const payload = new PayloadWriter().u32(level).u32(name).done();
    const reply = this.channel.callNow(OP.GETSOCKOPT, this.id, payload, CALL_TIMEOUT);
    if (reply.status !== 0) return { result: -reply.status, value: 0 };
    return { result: 0, value: new PayloadReader(reply.payload).i32() };
  }

  getsockname(): SocketAddress | number {
    const any = this.domain === AF_INET6 ? "::" : "0.0.0.0";
    return this.local ?? { family: this.domain, address: any, port: 0 };
  }

  getpeername(): SocketAddress | number {
    if (this.peer === undefined || this.reset) return -ERRNO.ENOTCONN;
    return this.peer;
  }

  // Ending

  override shutdown(how: number): number {
    const { wire } = this;
    if (wire === undefined) return -ERRNO.ENOTCONN;
    if (how !== SHUT_RD && !this.shutWrite) {
      this.shutWrite = true;
      if (!this.reset) this.raise(wire, FLAG.FIN, EVENT.FIN);
    }
    if (how !== SHUT_WR) this.shutRead = true;
    this.changed();
    return 0;
  }

  private raise({ carrier, number }: Wire, flags: number, event: number): void {
    carrier.conduit.raise(number, flags);
    carrier.guard(() => carrier.notify(number, event));
  }

  override abortOnClose(): void {
    this.aborting = true;
  }

  /** Tells the other guest that nothing more comes, and that nothing more is read. */
  closePair(): void {
    const { wire } = this;
    if (wire?.pair === undefined) return;
    let abort = this.aborting;
    // Unread bytes make close(2) a reset (RFC 1122 4.2.2.13).
    wire.carrier.guard(() => {
      abort ||= !this.reset && wire.rx.available() > 0;
    });
    if (this.reset || abort) this.raise(wire, FLAG.CLOSED | FLAG.RESET, EVENT.RESET);
    else this.raise(wire, FLAG.CLOSED | FLAG.FIN, EVENT.FIN);
  }

  /** The process ends: what the kernel would do for its sockets is done now. */
  onExit(): void {
    this.closePair();
    this.wire?.pair?.flush();
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.state = "closed";
    this.link.forget(this);
    this.closePair();
    const { wire } = this;
    wire?.tx.close();
    this.wire = undefined;
    if (wire?.pair !== undefined) this.link.leavePair(wire.pair, wire.number);
    if (this.lifeline !== -1) closeFd(this.lifeline);
    this.lifeline = -1;
    for (const { id, route } of this.queue.splice(0)) this.refuse(id, route);
    if (!this.link.alive || this.id === 0) return;
    this.link.releaseId(this.id);
    if (wire?.pair === undefined) this.closeNumber(this.id, this.aborting ? CLOSE_RESET : 0);
    // The other guest knows by the pair: the agent only tidies up.
    else this.channel.callSoon(OP.CLOSE, this.id, new PayloadWriter().u32(0).done());
  }

  /** A connection that the program never accepted. */
  private refuse(id: number, { pair, slot }: Route): void {
    if (pair !== undefined) {
      pair.conduit.raise(slot, FLAG.CLOSED | FLAG.RESET);
      pair.guard(() => pair.notify(slot, EVENT.RESET));
      this.link.leavePair(pair, slot);
    }
    this.closeNumber(id, CLOSE_RESET);
  }

  private closeNumber(id: number, flags: number): void {
    if (!this.link.alive) return;
    this.link.guard(() => this.channel.call(OP.CLOSE, id, new PayloadWriter().u32(flags).done()));
  }

  // LinkedSocket

  onEvents(_events: number): void {
    const { wire } = this;
    if (wire?.pair !== undefined && !this.reset) {
      // The kernel's connection under the shortcut has ended: so does the shortcut. Or the other
      // guest closed before it knew of it, and the agent says so.
      if ((this.channel.conduit.peerFlags(this.id) & FLAG.RESET) !== 0) {
        this.resetBy(this.channel.error(this.id) || ERRNO.ECONNRESET);
        this.raise(wire, FLAG.RESET, EVENT.RESET);
      }
    }
    this.changed();
  }

  onNotification(message: Message): void {
    const payload = new PayloadReader(message.payload);
    payload.u32();
    const local = payload.endpoint();
    const peer = payload.endpoint();
    const route = this.readRoute(payload);
    if (route === undefined) {
      this.closeNumber(message.socket, CLOSE_RESET);
      this.giveCredit();
      return;
    }
    route.pair?.add(route.slot, UNACCEPTED);
    this.queue.push({ id: message.socket, local, peer, route });
    this.changed();
  }

  onLifeline(fd: number): boolean {
    if (this.wire?.pair === undefined || this.lifeline !== -1) return false;
    this.lifeline = fd;
    return true;
  }

  onLost(): void {
    for (const { route } of this.queue.splice(0)) {
      if (route.pair === undefined) continue;
      route.pair.conduit.raise(route.slot, FLAG.CLOSED | FLAG.RESET);
      route.pair.guard(() => route.pair?.notify(route.slot, EVENT.RESET));
      this.link.leavePair(route.pair, route.slot);
    }
    this.id = 0;
    if (this.wire?.pair !== undefined) return;
    if (this.state === "connecting") {
      this.state = "unconnected";
      this.error = ERRNO.ENETDOWN;
    } else if (this.state === "connected" && !this.reset) {
      this.resetBy(ERRNO.ECONNRESET);
    }
    this.wire?.tx.close();
    this.changed();
  }

  /**
   * A listener goes on at its port; a bound socket is bound again; a shortcut is told to the new
   * agent; any other connection stays reset.
   */
  onAttached(): Restored | undefined {
    const shortcut = this.wire?.pair !== undefined && !this.reset;
    if ((this.state === "connected" && !shortcut) || this.released) return undefined;
    if (!this.open()) return undefined;
    const { id } = this;
    if (shortcut) return { id, fd: this.lifeline };
    if (this.local === undefined) return undefined;
    this.tellShortcut();
    const bind = new PayloadWriter().endpoint(toEndpoint(this.local)).u32(this.flags).done();
    this.channel.call(OP.BIND, id, bind);
    if (this.state !== "listening") return undefined;
    this.channel.call(OP.LISTEN, id, new PayloadWriter().u32(Math.max(this.backlog, 0)).done());
    return undefined;
  }

  /** The new agent does not know of SO_OUTSOCK_SHORTCUT. */
  private tellShortcut(): void {
    const value = this.options.get(`${SOL_OUTSOCK}/${SO_OUTSOCK_SHORTCUT}`);
    if (value !== undefined) this.setsockopt(SOL_OUTSOCK, SO_OUTSOCK_SHORTCUT, value);
  }

  // PairSocket

  onPairEvents(): void {
    this.changed();
  }

  onPairEnded(): void {
    if (!this.reset) {
      const flags = this.peerFlags();
      // Without a FIN the other guest died with the connection open.
      if ((flags & FLAG.FIN) === 0) this.resetBy(ERRNO.ECONNRESET);
      else if ((flags & FLAG.CLOSED) === 0) this.noticeGone();
    }
    this.changed();
  }

  /** The other guest had shut its side down and died before it closed: it reads no more. */
  private noticeGone(): void {
    const { wire } = this;
    wire?.carrier.guard(() => {
      if (wire.tx.fill() > 0) this.resetBy(ERRNO.EPIPE);
    });
  }
}
