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
  IPV6_V6ONLY,
  OP,
  SHUT_RD,
  SHUT_WR,
  SO_ERROR,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { checkRing, RingConsumer, RingProducer, rxRingPlace, txRingPlace } from "@outsock/ring";
import {
  type Endpoint,
  type Message,
  PayloadReader,
  PayloadWriter,
  type RingPair,
} from "@outsock/vrpc";
import { type SocketAddress, SocketFile, type SocketState } from "../net/protocol-family.ts";
import { fromEndpoint, toEndpoint } from "./addresses.ts";
import type { Reply } from "./channel.ts";
import type { Link, LinkedSocket } from "./link.ts";

/** How long a call that is synchronous natively may block, milliseconds. */
export const CALL_TIMEOUT = 10_000;

interface Waiting {
  id: number;
  local: Endpoint;
  peer: Endpoint;
  rings: RingPair;
}

export class OutsourcedStream extends SocketFile implements LinkedSocket {
  readonly type = SOCK_STREAM;
  readonly domain: number;
  private readonly link: Link;
  state: SocketState = "unconnected";
  private id: number;
  private local: SocketAddress | undefined;
  private peer: SocketAddress | undefined;
  private tx: RingProducer | undefined;
  private rx: RingConsumer | undefined;
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
    this.channel.call(OP.ACCEPT, this.id, new PayloadWriter().u32(1).done());
    const socket = new OutsourcedStream(this.link, this.domain, waiting.id);
    this.link.bindId(waiting.id, socket);
    socket.established(waiting.local, waiting.peer, waiting.rings);
    return socket;
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
      this.established(payload.endpoint(), payload.endpoint(), payload.rings());
    }
    this.changed();
  }

  private established(local: Endpoint, peer: Endpoint, rings: RingPair): void {
    const { layout, memory } = this.link.attachment;
    checkRing(layout, rings.txOffset, rings.txCapacity);
    checkRing(layout, rings.rxOffset, rings.rxCapacity);
    this.tx = new RingProducer(
      memory,
      txRingPlace(layout, this.id, rings.txOffset, rings.txCapacity),
    );
    this.rx = new RingConsumer(
      memory,
      rxRingPlace(layout, this.id, rings.rxOffset, rings.rxCapacity),
    );
    this.local = fromEndpoint(local, this.domain);
    this.peer = fromEndpoint(peer, this.domain);
    this.state = "connected";
  }

  // Bytes

  override read(target: Uint8Array): number {
    const { rx } = this;
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    if (rx === undefined) return this.takeError() ?? -ERRNO.ENOTCONN;
    let result = 0;
    this.link.guard(() => {
      // Flags before the ring: what came before the end is read first.
      const finished = this.finished();
      const ended = this.shutRead || this.reset || finished;
      const available = rx.available();
      if (available === 0 && finished) return;
      if (available === 0 || this.shutRead) {
        result = this.takeError() ?? (ended ? 0 : -ERRNO.EAGAIN);
        return;
      }
      result = Math.min(available, target.length);
      rx.copyOut(target, 0, result);
      if (rx.consume(result)) this.channel.notify(this.id, EVENT.SPACE);
    });
    return result;
  }

  override write(source: Uint8Array): number {
    const { tx } = this;
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    if (tx === undefined) return this.takeError() ?? -ERRNO.EPIPE;
    this.noticeReset();
    if (this.reset || this.shutWrite) return this.takeError() ?? -ERRNO.EPIPE;
    let result = -ERRNO.EAGAIN;
    this.link.guard(() => {
      let written = 0;
      for (;;) {
        written += tx.write(written === 0 ? source : source.subarray(written));
        const rest = source.length - written;
        if (rest === 0) break;
        // Room that came meanwhile is used at once: nobody will tell of it.
        const want = Math.min(tx.window / 2, rest);
        if (tx.freeOrWait(want) < want) break;
      }
      if (written > 0) this.channel.notify(this.id, EVENT.DATA);
      if (written > 0 || source.length === 0) result = written;
    });
    return result;
  }

  /** Chunks that fit together are published, and told of, at once. */
  override writev(chunks: readonly Uint8Array[]): number {
    const { tx } = this;
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (tx === undefined || total === 0 || this.shutWrite) return super.writev(chunks);
    this.noticeReset();
    if (this.reset) return super.writev(chunks);
    let written = false;
    this.link.guard(() => {
      if (tx.free() < total) return;
      tx.writeAll(...chunks);
      this.channel.notify(this.id, EVENT.DATA);
      written = true;
    });
    return written ? total : super.writev(chunks);
  }

  override available(): number {
    let available = 0;
    const { rx } = this;
    if (rx !== undefined) {
      this.link.guard(() => {
        available = rx.available();
      });
    }
    return available;
  }

  override queues(): { receive: number; send: number } {
    const { tx } = this;
    if (this.state === "listening") return { receive: this.queue.length, send: this.backlog };
    return {
      receive: this.available(),
      send: tx === undefined || this.reset ? 0 : tx.fill(),
    };
  }

  /** The peer ended before anything reset the connection: recv(2) gives that end, not the error. */
  private finished(): boolean {
    return this.id !== 0 && (this.channel.agentFlags(this.id) & FLAG.FIN) !== 0;
  }

  private agentFlags(): number {
    return this.reset ? 0 : this.channel.agentFlags(this.id);
  }

  private noticeReset(): void {
    if (this.reset || this.rx === undefined) return;
    if ((this.channel.agentFlags(this.id) & FLAG.RESET) === 0) return;
    this.reset = true;
    this.error = this.channel.error(this.id) || ERRNO.ECONNRESET;
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
    const { tx, rx } = this;
    if (tx === undefined || rx === undefined) {
      return this.error !== 0 ? EPOLLERR | EPOLLHUP | EPOLLOUT : 0;
    }
    this.noticeReset();
    let ready = 0;
    this.link.guard(() => {
      const finished = (this.agentFlags() & FLAG.FIN) !== 0;
      if (this.error !== 0) ready |= EPOLLERR;
      if (this.reset) ready |= EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP;
      if (finished || this.shutRead) ready |= EPOLLIN | EPOLLRDHUP;
      else if (rx.available() > 0) ready |= EPOLLIN;
      if (this.shutWrite || tx.free() > 0) ready |= EPOLLOUT;
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
    if (this.tx === undefined) return -ERRNO.ENOTCONN;
    if (how !== SHUT_RD && !this.shutWrite) {
      this.shutWrite = true;
      if (!this.reset) this.link.guard(() => this.channel.finish(this.id));
    }
    if (how !== SHUT_WR) this.shutRead = true;
    this.changed();
    return 0;
  }

  override abortOnClose(): void {
    this.aborting = true;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.state = "closed";
    this.link.forget(this);
    if (!this.link.alive || this.id === 0) return;
    for (const { id } of this.queue.splice(0)) this.closeNumber(id, CLOSE_RESET);
    this.link.releaseId(this.id);
    this.closeNumber(this.id, this.aborting ? CLOSE_RESET : 0);
  }

  private closeNumber(id: number, flags: number): void {
    this.link.guard(() => this.channel.call(OP.CLOSE, id, new PayloadWriter().u32(flags).done()));
  }

  // LinkedSocket

  onEvents(_events: number): void {
    this.changed();
  }

  onNotification(message: Message): void {
    const payload = new PayloadReader(message.payload);
    payload.u32();
    this.queue.push({
      id: message.socket,
      local: payload.endpoint(),
      peer: payload.endpoint(),
      rings: payload.rings(),
    });
    this.changed();
  }

  onLost(): void {
    this.queue.length = 0;
    if (this.state === "connecting") {
      this.state = "unconnected";
      this.error = ERRNO.ENETDOWN;
    } else if (this.state === "connected" && !this.reset) {
      this.reset = true;
      this.error = ERRNO.ECONNRESET;
    }
    this.id = 0;
    this.changed();
  }

  /** A listener goes on at its port; a bound socket is bound again; a connection stays reset. */
  onAttached(): void {
    if (this.state === "connected" || this.released) return;
    if (!this.open()) return;
    const { id } = this;
    if (this.local === undefined) return;
    const bind = new PayloadWriter().endpoint(toEndpoint(this.local)).u32(this.flags).done();
    this.channel.call(OP.BIND, id, bind);
    if (this.state !== "listening") return;
    this.channel.call(OP.LISTEN, id, new PayloadWriter().u32(Math.max(this.backlog, 0)).done());
  }
}
