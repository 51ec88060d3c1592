/**
 * A stream socket of AF_UNIX, connected by path: it reaches the host's file system, so it is the
 * same in every mode.
 */
import type { Socket } from "node:net";
import {
  AF_UNIX,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  errnoOf,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { getsockoptInt, setsockoptInt } from "@outsock/hostsys";
import { type SocketAddress, SocketFile, type SocketState } from "../net/protocol-family.ts";
import { Connection } from "./connection.ts";
import { optionOf, statusOf } from "./host-calls.ts";
import type { HostNetwork } from "./host-network.ts";

const UNNAMED: SocketAddress = { family: AF_UNIX, address: "", port: 0 };

export class UnixStream extends SocketFile {
  readonly type = SOCK_STREAM;
  readonly domain = AF_UNIX;
  private readonly network: HostNetwork;
  state: SocketState = "unconnected";
  private connecting: Socket | undefined;
  private connection: Connection | undefined;
  private peer: SocketAddress | undefined;
  private error = 0;

  constructor(network: HostNetwork) {
    super();
    this.network = network;
  }

  /** Sockets that listen on a path are Node's own, see node-compat's server. */
  bind(_address: SocketAddress): number {
    return -ERRNO.EOPNOTSUPP;
  }

  connect(address: SocketAddress): number {
    if (this.state === "connecting") return -ERRNO.EALREADY;
    if (this.state !== "unconnected") return -ERRNO.EISCONN;
    if (address.family !== AF_UNIX) return -ERRNO.EINVAL;
    this.state = "connecting";
    const connection = new Connection(() => this.changed());
    const socket = this.network.stream({}, connection.onBytes);
    this.connecting = socket;
    const failed = (error: NodeJS.ErrnoException): void => {
      if (this.state !== "connecting") return;
      this.connecting = undefined;
      this.state = "unconnected";
      this.error = errnoOf(error.code);
      this.changed();
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      if (this.state !== "connecting") return;
      this.connecting = undefined;
      connection.attach(socket);
      this.connection = connection;
      this.peer = address;
      this.state = "connected";
      this.changed();
    });
    try {
      socket.connect({ path: address.address });
      // The handle is made by the call.
      socket.unref();
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
    }
    return -ERRNO.EINPROGRESS;
  }

  override read(target: Uint8Array): number {
    if (this.connection !== undefined) return this.connection.read(target);
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    return this.takeError() ?? -ERRNO.EINVAL;
  }

  override write(source: Uint8Array): number {
    if (this.connection !== undefined) return this.connection.write(source);
    if (this.state === "connecting") return -ERRNO.EAGAIN;
    return this.takeError() ?? -ERRNO.ENOTCONN;
  }

  override available(): number {
    return this.connection?.receiveQueue ?? 0;
  }

  private takeError(): number | undefined {
    if (this.connection !== undefined) return this.connection.takeError();
    const { error } = this;
    if (error === 0) return undefined;
    this.error = 0;
    return -error;
  }

  poll(): number {
    if (this.connection !== undefined) return this.connection.poll();
    return this.error === 0 ? 0 : EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
  }

  /** Options of TCP are refused, as by the kernel. */
  setsockopt(level: number, name: number, value: number): number {
    if (level !== SOL_SOCKET) return -ERRNO.EOPNOTSUPP;
    const { connection } = this;
    if (connection === undefined) return 0;
    return statusOf(() => setsockoptInt(connection.fd, level, name, value));
  }

  getsockopt(level: number, name: number): { result: number; value: number } {
    if (level === SOL_SOCKET && name === SO_ERROR) {
      return { result: 0, value: 0 - (this.takeError() ?? 0) };
    }
    const { connection } = this;
    if (level !== SOL_SOCKET) return { result: -ERRNO.EOPNOTSUPP, value: 0 };
    if (connection === undefined) return { result: 0, value: 0 };
    return optionOf(() => getsockoptInt(connection.fd, level, name));
  }

  getsockname(): SocketAddress | number {
    return UNNAMED;
  }

  getpeername(): SocketAddress | number {
    return this.peer ?? -ERRNO.ENOTCONN;
  }

  override shutdown(how: number): number {
    if (this.connection === undefined) return -ERRNO.ENOTCONN;
    this.connection.shutdown(how);
    return 0;
  }

  release(): void {
    this.state = "closed";
    this.connecting?.destroy();
    this.connection?.close(false);
  }
}
