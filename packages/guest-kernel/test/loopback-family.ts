/** A protocol family for tests: a loopback network in memory, streams and datagrams. */
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  ERRNO,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SHUT_WR,
  SO_ERROR,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { type ProtocolFamily, type SocketAddress, SocketFile } from "../src/index.ts";

type State = SocketFile["state"];
interface Received {
  data: Buffer;
  from: SocketAddress;
}

const ANY = ["0.0.0.0", "::"];
const plain = (address: string): string => address.replace(/^::ffff:(?=\d)/, "");
const key = (address: SocketAddress): string => `${plain(address.address)}|${address.port}`;

abstract class LoopbackSocket extends SocketFile {
  readonly domain: number;
  readonly network: LoopbackFamily;
  state: State = "unconnected";
  local: SocketAddress | undefined;
  peer: SocketAddress | undefined;
  error = 0;
  readonly options = new Map<string, number>();

  constructor(network: LoopbackFamily, domain: number) {
    super();
    this.network = network;
    this.domain = domain;
  }

  bind(address: SocketAddress): number {
    if (this.local !== undefined) return -ERRNO.EINVAL;
    if (!this.network.isLocal(address.address)) return -ERRNO.EADDRNOTAVAIL;
    const port = address.port === 0 ? this.network.freePort() : address.port;
    const local = { ...address, port };
    if (this.network.taken(this, local)) return -ERRNO.EADDRINUSE;
    this.local = local;
    this.network.bound.add(this);
    return 0;
  }

  bindAny(): void {
    const address = this.domain === AF_INET ? "0.0.0.0" : "::";
    if (this.local === undefined) this.bind({ family: this.domain, address, port: 0 });
  }

  setsockopt(level: number, name: number, value: number): number {
    this.options.set(`${level}/${name}`, value);
    return 0;
  }

  getsockopt(level: number, name: number): { result: number; value: number } {
    if (level === SOL_SOCKET && name === SO_ERROR) {
      const value = this.error;
      this.error = 0;
      return { result: 0, value };
    }
    return { result: 0, value: this.options.get(`${level}/${name}`) ?? 212992 };
  }

  getsockname(): SocketAddress | number {
    if (this.local !== undefined) return this.local;
    return { family: this.domain, address: this.domain === AF_INET ? "0.0.0.0" : "::", port: 0 };
  }

  getpeername(): SocketAddress | number {
    return this.peer ?? -ERRNO.ENOTCONN;
  }

  /** Address of the peer as a socket of this domain sees it. */
  seen(from: SocketAddress): SocketAddress {
    if (this.domain === AF_INET || from.family === AF_INET6) return from;
    return { family: AF_INET6, address: `::ffff:${from.address}`, port: from.port };
  }

  /** Address that this socket sends from, to `to`. */
  source(to: SocketAddress): SocketAddress {
    const { address, port } = this.local!;
    if (!ANY.includes(address)) return this.local!;
    const v4 = plain(to.address).includes(".");
    return { family: v4 ? AF_INET : AF_INET6, address: v4 ? "127.0.0.1" : "::1", port };
  }

  release(): void {
    this.state = "closed";
    this.network.bound.delete(this);
  }
}

export class LoopbackDatagram extends LoopbackSocket {
  readonly type = SOCK_DGRAM;
  private readonly queue: Received[] = [];

  connect(address: SocketAddress): number {
    this.bindAny();
    this.peer = address;
    this.local = { ...this.local!, address: this.source(address).address };
    this.state = "connected";
    return 0;
  }

  override disconnect(): number {
    if (this.peer === undefined) return -ERRNO.ENOTCONN;
    this.peer = undefined;
    this.state = "unconnected";
    return 0;
  }

  override sendto(data: Uint8Array, to: SocketAddress | undefined): number {
    const destination = to ?? this.peer;
    if (destination === undefined) return -ERRNO.EDESTADDRREQ;
    if (data.length > 65507) return -ERRNO.EMSGSIZE;
    if (this.network.full) return -ERRNO.EAGAIN;
    this.bindAny();
    const error = this.takeError();
    if (error !== 0) return -error;
    const from = this.source(destination);
    const target = this.network.find(SOCK_DGRAM, destination) as LoopbackDatagram | undefined;
    this.network.log.push(Buffer.from(data));
    if (target === undefined) {
      if (this.peer !== undefined) {
        this.error = ERRNO.ECONNREFUSED;
        this.changed();
      }
    } else if (target.peer === undefined || key(target.peer) === key(from)) {
      target.deliver(Buffer.from(data), from);
    }
    return data.length;
  }

  /** Puts a datagram in its queue, whoever sent it. */
  deliver(data: Buffer, from: SocketAddress): void {
    this.queue.push({ data, from: this.seen(from) });
    this.changed();
  }

  private takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  override recvfrom(): Received | number {
    const error = this.takeError();
    if (error !== 0) return -error;
    return this.queue.shift() ?? -ERRNO.EAGAIN;
  }

  override membership(_join: boolean, group: string): number {
    return /^(22[4-9]|23\d)\.|^ff/i.test(group) ? 0 : -ERRNO.EINVAL;
  }

  poll(): number {
    let ready = this.network.full ? 0 : EPOLLOUT;
    if (this.error !== 0) ready |= EPOLLERR;
    if (this.queue.length > 0) ready |= EPOLLIN;
    return ready;
  }

  /** The network has room again. */
  drained(): void {
    this.changed();
  }
}

export class LoopbackStream extends LoopbackSocket {
  readonly type = SOCK_STREAM;
  private backlog: LoopbackStream[] = [];
  private bytes = Buffer.alloc(0);
  private ended = false;
  private other: LoopbackStream | undefined;

  connect(address: SocketAddress): number {
    this.bindAny();
    const listener = this.network.find(SOCK_STREAM, address) as LoopbackStream | undefined;
    if (listener?.state !== "listening") return -ERRNO.ECONNREFUSED;
    const accepted = new LoopbackStream(this.network, listener.domain);
    this.pair(accepted, address);
    accepted.pair(this, this.source(address));
    accepted.local = address;
    listener.backlog.push(accepted);
    listener.changed();
    return 0;
  }

  private pair(other: LoopbackStream, peer: SocketAddress): void {
    this.other = other;
    this.peer = peer;
    this.state = "connected";
  }

  override listen(): number {
    this.bindAny();
    this.state = "listening";
    return 0;
  }

  override accept(): SocketFile | number {
    return this.backlog.shift() ?? -ERRNO.EAGAIN;
  }

  override read(target: Uint8Array): number {
    if (this.bytes.length === 0) return this.ended ? 0 : -ERRNO.EAGAIN;
    const n = this.bytes.copy(target);
    this.bytes = this.bytes.subarray(n);
    return n;
  }

  override write(source: Uint8Array): number {
    const { other } = this;
    if (other === undefined) return -ERRNO.ENOTCONN;
    if (other.state === "closed") return -ERRNO.EPIPE;
    other.bytes = Buffer.concat([other.bytes, source]);
    other.changed();
    return source.length;
  }

  override available(): number {
    return this.bytes.length;
  }

  override shutdown(how: number): number {
    if (how >= SHUT_WR) this.end();
    return 0;
  }

  private end(): void {
    const { other } = this;
    if (other === undefined) return;
    other.ended = true;
    other.changed();
  }

  poll(): number {
    if (this.state === "listening") return this.backlog.length > 0 ? EPOLLIN : 0;
    if (this.state !== "connected") return EPOLLHUP;
    const ready = this.bytes.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLOUT;
    return this.ended ? ready | EPOLLIN | EPOLLRDHUP : ready;
  }

  override release(): void {
    this.end();
    super.release();
  }
}

export class LoopbackFamily implements ProtocolFamily {
  readonly name = "loopback";
  readonly bound = new Set<LoopbackSocket>();
  /** Payloads of all datagrams that were sent. */
  readonly log: Buffer[] = [];
  /** Sockets that were made, in order. */
  readonly made: LoopbackSocket[] = [];
  /** Names that the family itself knows. */
  readonly names = new Map<string, string[]>();
  /** Sends find no room. */
  full = false;
  private nextPort = 40000;

  socket(domain: number, type: number): SocketFile {
    const socket = new (type === SOCK_STREAM ? LoopbackStream : LoopbackDatagram)(this, domain);
    this.made.push(socket);
    return socket;
  }

  resolve(name: string, done: (addresses: string[]) => void): void {
    done(this.names.get(name) ?? []);
  }

  isLocal(address: string): boolean {
    return ANY.includes(address) || address === "::1" || plain(address).startsWith("127.");
  }

  freePort(): number {
    return this.nextPort++;
  }

  taken(socket: LoopbackSocket, local: SocketAddress): boolean {
    const shares = (s: LoopbackSocket): boolean =>
      s.options.get(`${SOL_SOCKET}/${SO_REUSEADDR}`) === 1;
    const only6 = (s: LoopbackSocket): boolean =>
      s.options.get(`${IPPROTO_IPV6}/${IPV6_V6ONLY}`) === 1;
    for (const other of this.bound) {
      if (other.type !== socket.type || other.local!.port !== local.port) continue;
      if (shares(other) && shares(socket)) continue;
      const sameDomain = other.domain === socket.domain;
      const v6 = other.domain === AF_INET6 ? other : socket;
      if (!sameDomain && (only6(v6) || (v6 === socket ? local : v6.local!).address !== "::"))
        continue;
      const [a, b] = [plain(other.local!.address), plain(local.address)];
      if (a === b || ANY.includes(a) || ANY.includes(b)) return true;
    }
    return false;
  }

  find(type: number, to: SocketAddress): LoopbackSocket | undefined {
    const v6 = plain(to.address).includes(":");
    let found: LoopbackSocket | undefined;
    for (const socket of this.bound) {
      const { local } = socket;
      if (socket.type !== type || local?.port !== to.port) continue;
      if (plain(local.address) === plain(to.address)) return socket;
      if (local.address === "::" || (!v6 && local.address === "0.0.0.0")) found = socket;
    }
    return found;
  }

  /** Room for datagrams again, and those who wait are told. */
  drain(): void {
    this.full = false;
    for (const socket of this.bound) if (socket instanceof LoopbackDatagram) socket.drained();
  }
}
