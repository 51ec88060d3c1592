/** A UDP socket whose protocol work is outsourced: its datagrams go through two rings. */
import {
  AF_INET6,
  BIND_REUSEADDR,
  BIND_REUSEPORT,
  BIND_V6ONLY,
  DATAGRAM_MAX_BYTES,
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  EVENT,
  FLAG,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  OP,
  SO_ERROR,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { checkRing, RingConsumer, RingProducer, rxRingPlace, txRingPlace } from "@outsock/ring";
import {
  type Endpoint,
  type Message,
  PayloadReader,
  PayloadWriter,
  takeDatagram,
  writeDatagram,
} from "@outsock/vrpc";
import {
  type ReceivedDatagram,
  type SocketAddress,
  SocketFile,
  type SocketState,
} from "../net/protocol-family.ts";
import { fromEndpoint, toEndpoint } from "./addresses.ts";
import type { Link, LinkedSocket } from "./link.ts";
import { CALL_TIMEOUT } from "./stream-socket.ts";

const NOWHERE: Endpoint = { address: "0.0.0.0", port: 0, family: 4 };

export class OutsourcedDatagram extends SocketFile implements LinkedSocket {
  readonly type = SOCK_DGRAM;
  readonly domain: number;
  private readonly link: Link;
  state: SocketState = "unconnected";
  private id: number;
  private local: SocketAddress | undefined;
  private peer: SocketAddress | undefined;
  private tx: RingProducer | undefined;
  private rx: RingConsumer | undefined;
  private flags = 0;
  private error = 0;

  constructor(link: Link, domain: number, id: number) {
    super();
    this.link = link;
    this.domain = domain;
    this.id = id;
    link.register(this);
  }

  /** Takes a number and tells the agent. @returns false when all numbers are in use */
  open(): boolean {
    const id = this.link.takeId(this);
    if (id === undefined) return false;
    this.id = id;
    this.create();
    return true;
  }

  private create(): void {
    const payload = new PayloadWriter().u32(SOCK_DGRAM).u32(this.domain).done();
    this.link.channel.call(OP.SOCKET, this.id, payload);
  }

  bind(address: SocketAddress): number {
    if (this.local !== undefined) return -ERRNO.EINVAL;
    if (address.family !== this.domain) return -ERRNO.EAFNOSUPPORT;
    const { status, payload } = this.link.channel.callNow(
      OP.BIND,
      this.id,
      this.bindPayload(address),
      CALL_TIMEOUT,
    );
    if (status !== 0) return -status;
    this.bound(address, payload);
    return 0;
  }

  private bindPayload(address: SocketAddress): Uint8Array {
    return new PayloadWriter().endpoint(toEndpoint(address)).u32(this.flags).done();
  }

  private bound(address: SocketAddress, payload: Uint8Array): void {
    const reader = new PayloadReader(payload);
    this.local = { ...address, port: reader.endpoint().port };
    const rings = reader.rings();
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
    this.changed();
  }

  /** Binds to a port that the host chooses, as a first send or connect does. */
  private bindAny(): number {
    if (this.local !== undefined) return 0;
    const address = this.domain === AF_INET6 ? "::" : "0.0.0.0";
    return this.bind({ family: this.domain, address, port: 0 });
  }

  connect(address: SocketAddress): number {
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    const payload = new PayloadWriter().endpoint(toEndpoint(address)).done();
    const reply = this.link.channel.callNow(OP.CONNECT, this.id, payload, CALL_TIMEOUT);
    if (reply.status !== 0) return -reply.status;
    this.local = fromEndpoint(new PayloadReader(reply.payload).endpoint(), this.domain);
    this.peer = address;
    this.state = "connected";
    return 0;
  }

  override disconnect(): number {
    if (this.peer === undefined) return -ERRNO.ENOTCONN;
    this.peer = undefined;
    this.state = "unconnected";
    const empty = new Uint8Array(0);
    return 0 - this.link.channel.callNow(OP.DISCONNECT, this.id, empty, CALL_TIMEOUT).status;
  }

  override sendto(data: Uint8Array, to: SocketAddress | undefined): number {
    const destination = to ?? this.peer;
    if (destination === undefined) return -ERRNO.EDESTADDRREQ;
    if (to?.port === 0) return -ERRNO.EINVAL;
    if (data.length > DATAGRAM_MAX_BYTES) return -ERRNO.EMSGSIZE;
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    if (!this.link.alive) return -ERRNO.ENETDOWN;
    const error = this.takeError();
    if (error !== 0) return -error;
    let result: number = -ERRNO.EAGAIN;
    this.link.guard(() => {
      const endpoint = destination.port === 0 ? NOWHERE : toEndpoint(destination);
      if (!writeDatagram(this.tx!, endpoint, data, true)) return;
      this.link.channel.notify(this.id, EVENT.DATA);
      result = data.length;
    });
    return result;
  }

  override recvfrom(): ReceivedDatagram | number {
    const { rx } = this;
    if (rx === undefined) return -ERRNO.EAGAIN;
    const error = this.takeError();
    if (error !== 0) return -error;
    let result: ReceivedDatagram | number = -ERRNO.EAGAIN;
    this.link.guard(() => {
      const datagram = takeDatagram(rx);
      if (datagram === undefined) return;
      result = { data: datagram.payload, from: fromEndpoint(datagram.endpoint, this.domain) };
    });
    return result;
  }

  override available(): number {
    return this.rx?.available() ?? 0;
  }

  private takeError(): number {
    const { channel } = this.link;
    if (channel.alive && (channel.conduit.peerFlags(this.id) & FLAG.RESET) !== 0) {
      this.error = channel.takeError(this.id);
    }
    const { error } = this;
    this.error = 0;
    return error;
  }

  poll(): number {
    const { rx, tx } = this;
    let ready = 0;
    this.link.guard(() => {
      const { channel } = this.link;
      const failed = channel.alive && (channel.conduit.peerFlags(this.id) & FLAG.RESET) !== 0;
      if (failed || this.error !== 0) ready |= EPOLLERR | EPOLLIN;
      if (rx !== undefined && rx.available() > 0) ready |= EPOLLIN;
      if (tx === undefined || tx.free() > 0) ready |= EPOLLOUT;
    });
    return ready;
  }

  setsockopt(level: number, name: number, value: number): number {
    const flag =
      level === SOL_SOCKET && name === SO_REUSEADDR
        ? BIND_REUSEADDR
        : level === SOL_SOCKET && name === SO_REUSEPORT
          ? BIND_REUSEPORT
          : level === IPPROTO_IPV6 && name === IPV6_V6ONLY
            ? BIND_V6ONLY
            : 0;
    if (flag !== 0) {
      this.flags = value === 0 ? this.flags & ~flag : this.flags | flag;
      return 0;
    }
    const payload = new PayloadWriter().u32(level).u32(name).u32(value).done();
    return 0 - this.link.channel.callNow(OP.SETSOCKOPT, this.id, payload, CALL_TIMEOUT).status;
  }

  getsockopt(level: number, name: number): { result: number; value: number } {
    if (level === SOL_SOCKET && name === SO_ERROR) return { result: 0, value: this.takeError() };
    const payload = new PayloadWriter().u32(level).u32(name).done();
    const reply = this.link.channel.callNow(OP.GETSOCKOPT, this.id, payload, CALL_TIMEOUT);
    if (reply.status !== 0) return { result: -reply.status, value: 0 };
    return { result: 0, value: new PayloadReader(reply.payload).i32() };
  }

  override membership(join: boolean, group: string, via: string | undefined): number {
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    const payload = new PayloadWriter()
      .u32(join ? 1 : 0)
      .endpoint({ address: group, port: 0, family: 4 })
      .endpoint({ address: via ?? "0.0.0.0", port: 0, family: 4 })
      .done();
    return 0 - this.link.channel.callNow(OP.MEMBERSHIP, this.id, payload, CALL_TIMEOUT).status;
  }

  getsockname(): SocketAddress | number {
    const any = this.domain === AF_INET6 ? "::" : "0.0.0.0";
    return this.local ?? { family: this.domain, address: any, port: 0 };
  }

  getpeername(): SocketAddress | number {
    return this.peer ?? -ERRNO.ENOTCONN;
  }

  release(): void {
    this.state = "closed";
    this.link.forget(this);
    if (!this.link.alive || this.id === 0) return;
    this.link.releaseId(this.id);
    this.link.guard(() => {
      this.link.channel.call(OP.CLOSE, this.id, new PayloadWriter().u32(0).done());
    });
  }

  onEvents(_events: number): void {
    this.changed();
  }

  onNotification(_message: Message): void {}

  onLost(): void {
    this.id = 0;
    this.tx = undefined;
    this.rx = undefined;
  }

  onAttached(): undefined {
    if (!this.open()) return;
    const { id } = this;
    const { local } = this;
    if (local === undefined) return;
    this.link.channel.call(OP.BIND, id, this.bindPayload(local), ({ status, payload }) => {
      if (status === 0 && this.id === id) this.bound(local, payload);
    });
  }
}
