/** A TCP socket of the host, as the guest's system calls use it. */
import type { Server, Socket } from "node:net";
import {
  AF_INET6,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  errnoOf,
  SO_ERROR,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SOMAXCONN,
} from "@outsock/abi";
import {
  bindInet,
  closeFd,
  dupFd,
  getpeername,
  getsockname,
  getsockoptInt,
  inetSocket,
  listenFd,
  setsockoptInt,
} from "@outsock/hostsys";
import { type SocketAddress, SocketFile, type SocketState } from "../net/protocol-family.ts";
import { Connection } from "./connection.ts";
import { nameOf, numberOf, optionOf, statusOf } from "./host-calls.ts";
import type { HostNetwork, RawHandle } from "./host-network.ts";

/** Accepted connections that wait beyond the backlog: libuv accepts without being asked. */
const WAITING_BEYOND = 1024;

export class PassthroughStream extends SocketFile {
  readonly type = SOCK_STREAM;
  readonly domain: number;
  private readonly network: HostNetwork;
  state: SocketState = "unconnected";
  /** Descriptor of its own, until a handle of Node's has it; -1 then. */
  private fd: number;
  private connecting: Socket | undefined;
  private connection: Connection | undefined;
  private server: Server | undefined;
  private readonly waiting: RawHandle[] = [];
  private backlog = 0;
  private local: SocketAddress | undefined;
  private peer: SocketAddress | undefined;
  private error = 0;
  private aborting = false;
  private released = false;

  /** @param fd a new socket's descriptor, or -1 when `adopt` follows */
  private constructor(network: HostNetwork, domain: number, fd: number) {
    super();
    this.network = network;
    this.domain = domain;
    this.fd = fd;
  }

  /** @returns a negative errno when the host gives none */
  static make(network: HostNetwork, domain: number): PassthroughStream | number {
    const fd = numberOf(() => inetSocket("tcp", { family: domain === AF_INET6 ? 6 : 4 }));
    if (fd < 0) return fd;
    // As libuv sets it on every TCP socket that it binds.
    setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return new PassthroughStream(network, domain, fd);
  }

  private descriptor(): number {
    return this.connection?.fd ?? this.fd;
  }

  bind(address: SocketAddress): number {
    if (this.local !== undefined || this.state !== "unconnected") return -ERRNO.EINVAL;
    if (address.family !== this.domain) return -ERRNO.EAFNOSUPPORT;
    const status = statusOf(() => bindInet(this.fd, address.address, address.port));
    if (status === 0) this.local = nameOf(() => getsockname(this.fd));
    return status;
  }

  override listen(backlog: number): number {
    if (this.state === "listening") return 0;
    if (this.state !== "unconnected") return -ERRNO.EINVAL;
    this.backlog = Math.min(Math.max(backlog, 1), SOMAXCONN);
    const status = statusOf(() => listenFd(this.fd, this.backlog));
    if (status !== 0) return status;
    this.local = nameOf(() => getsockname(this.fd));
    this.server = this.network.listen(this.fd, this.backlog, (handle) => this.offered(handle));
    this.state = "listening";
    return 0;
  }

  private offered(handle: RawHandle): void {
    if (this.released || this.waiting.length >= this.backlog + WAITING_BEYOND) {
      handle.close();
      return;
    }
    this.waiting.push(handle);
    this.changed();
  }

  override accept(): SocketFile | number {
    if (this.state !== "listening") return -ERRNO.EINVAL;
    const handle = this.waiting.shift();
    if (handle === undefined) return -ERRNO.EAGAIN;
    const accepted = new PassthroughStream(this.network, this.domain, -1);
    accepted.adopt(handle);
    return accepted;
  }

  private adopt(handle: RawHandle): void {
    const connection = new Connection(() => this.changed());
    const socket = this.network.stream({ handle }, connection.onBytes);
    connection.attach(socket);
    this.established(connection);
    socket.read(0);
  }

  private established(connection: Connection): void {
    this.connection = connection;
    this.local = nameOf(() => getsockname(connection.fd));
    this.peer = nameOf(() => getpeername(connection.fd));
    this.state = "connected";
  }

  connect(address: SocketAddress): number {
    if (this.state === "connecting") return -ERRNO.EALREADY;
    if (this.state !== "unconnected") return -ERRNO.EISCONN;
    if (address.family !== this.domain) return -ERRNO.EAFNOSUPPORT;
    // Node closes its descriptor when the attempt fails; this one can be connected again.
    const own = this.fd;
    const used = numberOf(() => dupFd(own));
    if (used < 0) return used;
    this.state = "connecting";
    const connection = new Connection(() => this.changed());
    const socket = this.network.stream({ fd: used }, connection.onBytes);
    this.connecting = socket;
    const failed = (error: NodeJS.ErrnoException): void => {
      this.connecting = undefined;
      if (this.released) return;
      this.state = "unconnected";
      this.error = errnoOf(error.code);
      this.changed();
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      this.connecting = undefined;
      if (this.released) return;
      connection.attach(socket);
      this.established(connection);
      closeFd(own);
      this.fd = -1;
      this.changed();
    });
    socket.connect({ host: address.address, port: address.port });
    return -ERRNO.EINPROGRESS;
  }

  override read(target: Uint8Array): number {
    if (this.connection !== undefined) return this.connection.read(target);
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    return this.takeError() ?? -ERRNO.ENOTCONN;
  }

  override write(source: Uint8Array): number {
    if (this.connection !== undefined) return this.connection.write(source);
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    return this.takeError() ?? -ERRNO.EPIPE;
  }

  override available(): number {
    return this.connection?.receiveQueue ?? 0;
  }

  override queues(): { receive: number; send: number } {
    if (this.state === "listening") return { receive: this.waiting.length, send: this.backlog };
    return { receive: this.available(), send: this.connection?.sendQueue ?? 0 };
  }

  private takeError(): number | undefined {
    if (this.connection !== undefined) return this.connection.takeError();
    const { error } = this;
    if (error === 0) return undefined;
    this.error = 0;
    return -error;
  }

  poll(): number {
    if (this.state === "listening") return this.waiting.length > 0 ? EPOLLIN : 0;
    if (this.connection !== undefined) return this.connection.poll();
    return this.error === 0 ? 0 : EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
  }

  setsockopt(level: number, name: number, value: number): number {
    return statusOf(() => setsockoptInt(this.descriptor(), level, name, value));
  }

  getsockopt(level: number, name: number): { result: number; value: number } {
    if (level === SOL_SOCKET && name === SO_ERROR) {
      return { result: 0, value: 0 - (this.takeError() ?? 0) };
    }
    return optionOf(() => getsockoptInt(this.descriptor(), level, name));
  }

  getsockname(): SocketAddress | number {
    const any = this.domain === AF_INET6 ? "::" : "0.0.0.0";
    return this.local ?? { family: this.domain, address: any, port: 0 };
  }

  getpeername(): SocketAddress | number {
    if (this.peer === undefined || this.connection?.dead) return -ERRNO.ENOTCONN;
    return this.peer;
  }

  override shutdown(how: number): number {
    if (this.connection === undefined || this.connection.dead) return -ERRNO.ENOTCONN;
    this.connection.shutdown(how);
    return 0;
  }

  override abortOnClose(): void {
    this.aborting = true;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.state = "closed";
    this.connecting?.destroy();
    this.connection?.close(this.aborting);
    if (this.server !== undefined) this.server.close();
    else if (this.fd !== -1) closeFd(this.fd);
    this.fd = -1;
    for (const handle of this.waiting.splice(0)) {
      if (handle.reset === undefined) handle.close();
      else handle.reset();
    }
  }
}
