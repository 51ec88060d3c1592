/** A UDP socket of the host, as the guest's system calls use it. */
import type { Socket } from "node:dgram";
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  errnoOf,
  SO_ERROR,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "@outsock/abi";
import {
  bindInet,
  closeFd,
  getpeername,
  getsockname,
  getsockoptInt,
  inetSocket,
  setsockoptInt,
} from "@outsock/hostsys";
import {
  type ReceivedDatagram,
  type SocketAddress,
  SocketFile,
  type SocketState,
} from "../net/protocol-family.ts";
import { nameOf, numberOf, optionOf, statusOf } from "./host-calls.ts";
import type { HostNetwork } from "./host-network.ts";

/** Bytes that wait to be read, and bytes on their way to the kernel. */
const RECEIVE_MAX = 256 * 1024;
const SEND_MAX = 256 * 1024;
/** What an empty datagram counts in those bounds. */
const OVERHEAD = 64;
/** Largest payload: IPv4 has its header in the length (RFC 791), IPv6 has not (RFC 8200, 4.5). */
const PAYLOAD_MAX = { 4: 65507, 6: 65527 } as const;

export class PassthroughDatagram extends SocketFile {
  readonly type = SOCK_DGRAM;
  readonly domain: number;
  private readonly network: HostNetwork;
  state: SocketState = "unconnected";
  private readonly fd: number;
  /** There once it is bound; owns the descriptor then. */
  private socket: Socket | undefined;
  private local: SocketAddress | undefined;
  private peer: SocketAddress | undefined;
  private readonly received: ReceivedDatagram[] = [];
  private receivedBytes = 0;
  private sending = 0;
  private full = false;
  private error = 0;
  /** Datagrams dropped because nobody read. */
  dropped = 0;

  private constructor(network: HostNetwork, domain: number, fd: number) {
    super();
    this.network = network;
    this.domain = domain;
    this.fd = fd;
  }

  /** @returns a negative errno when the host gives none */
  static make(network: HostNetwork, domain: number): PassthroughDatagram | number {
    const fd = numberOf(() => inetSocket("udp", { family: domain === AF_INET6 ? 6 : 4 }));
    return fd < 0 ? fd : new PassthroughDatagram(network, domain, fd);
  }

  bind(address: SocketAddress): number {
    if (this.socket !== undefined) return -ERRNO.EINVAL;
    if (address.family !== this.domain) return -ERRNO.EAFNOSUPPORT;
    const status = statusOf(() => bindInet(this.fd, address.address, address.port));
    if (status !== 0) return status;
    this.local = nameOf(() => getsockname(this.fd));
    const socket = this.network.datagram(this.fd, this.domain === AF_INET6 ? 6 : 4);
    this.socket = socket;
    socket.on("message", (data, from) => {
      const { address: host, port } = from;
      this.deliver({ data, from: { family: this.domain, address: host, port } });
    });
    socket.on("error", (error: NodeJS.ErrnoException) => this.fail(errnoOf(error.code)));
    this.changed();
    return 0;
  }

  /** Binds to a port that the host chooses, as a first send or connect does. */
  private bindAny(): number {
    if (this.socket !== undefined) return 0;
    const address = this.domain === AF_INET6 ? "::" : "0.0.0.0";
    return this.bind({ family: this.domain, address, port: 0 });
  }

  private deliver(datagram: ReceivedDatagram): void {
    if (this.state === "closed") return;
    const bytes = datagram.data.length + OVERHEAD;
    if (this.receivedBytes + bytes > RECEIVE_MAX) {
      this.dropped++;
      return;
    }
    this.receivedBytes += bytes;
    this.received.push(datagram);
    this.changed();
  }

  private fail(errno: number): void {
    if (this.state === "closed") return;
    this.error = errno;
    this.changed();
  }

  connect(address: SocketAddress): number {
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    if (this.peer !== undefined) this.disconnect();
    try {
      this.socket!.connect(
        address.port,
        address.address,
        (...[error]: [NodeJS.ErrnoException?]) => {
          if (error) this.fail(errnoOf(error.code));
        },
      );
    } catch {
      // A port that cannot be (0).
      return -ERRNO.EINVAL;
    }
    this.local = nameOf(() => getsockname(this.fd));
    this.peer = nameOf(() => getpeername(this.fd)) ?? address;
    this.state = "connected";
    return 0;
  }

  override disconnect(): number {
    if (this.peer === undefined) return -ERRNO.ENOTCONN;
    this.peer = undefined;
    this.state = "unconnected";
    try {
      this.socket!.disconnect();
    } catch {
      // The attempt to connect had failed.
    }
    // The kernel takes back an address and a port that it chose itself.
    this.local = nameOf(() => getsockname(this.fd));
    return 0;
  }

  override sendto(data: Uint8Array, to: SocketAddress | undefined): number {
    if (to === undefined && this.peer === undefined) return -ERRNO.EDESTADDRREQ;
    if (to !== undefined && this.peer !== undefined) return -ERRNO.EISCONN;
    if (data.length > PAYLOAD_MAX[this.domain === AF_INET6 ? 6 : 4]) return -ERRNO.EMSGSIZE;
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    const error = this.takeError();
    if (error !== 0) return -error;
    if (this.sending >= SEND_MAX) {
      this.full = true;
      return -ERRNO.EAGAIN;
    }
    const socket = this.socket!;
    const copy = Buffer.from(data);
    const bytes = copy.length + OVERHEAD;
    this.sending += bytes;
    const sent = (failure: NodeJS.ErrnoException | null): void => {
      this.sending -= bytes;
      if (failure) this.fail(errnoOf(failure.code));
      if (!this.full || this.state === "closed") return;
      this.full = false;
      this.changed();
    };
    try {
      if (to === undefined) socket.send(copy, sent);
      else socket.send(copy, to.port, to.address, sent);
    } catch {
      this.sending -= bytes;
      return -ERRNO.EINVAL;
    }
    return data.length;
  }

  override recvfrom(): ReceivedDatagram | number {
    const error = this.takeError();
    if (error !== 0) return -error;
    const datagram = this.received.shift();
    if (datagram === undefined) return -ERRNO.EAGAIN;
    this.receivedBytes -= datagram.data.length + OVERHEAD;
    return datagram;
  }

  override available(): number {
    return this.received[0]?.data.length ?? 0;
  }

  override queues(): { receive: number; send: number } {
    return { receive: this.receivedBytes, send: this.sending };
  }

  private takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  poll(): number {
    let ready = 0;
    if (this.error !== 0) ready |= EPOLLERR | EPOLLIN;
    if (this.received.length > 0) ready |= EPOLLIN;
    if (this.sending < SEND_MAX) ready |= EPOLLOUT;
    return ready;
  }

  setsockopt(level: number, name: number, value: number): number {
    return statusOf(() => setsockoptInt(this.fd, level, name, value));
  }

  getsockopt(level: number, name: number): { result: number; value: number } {
    if (level === SOL_SOCKET && name === SO_ERROR) return { result: 0, value: this.takeError() };
    return optionOf(() => getsockoptInt(this.fd, level, name));
  }

  override membership(join: boolean, group: string, via: string | undefined): number {
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    try {
      if (join) this.socket!.addMembership(group, via);
      else this.socket!.dropMembership(group, via);
      return 0;
    } catch (error) {
      return -errnoOf((error as NodeJS.ErrnoException).code);
    }
  }

  getsockname(): SocketAddress | number {
    const any = this.domain === AF_INET ? "0.0.0.0" : "::";
    return this.local ?? { family: this.domain, address: any, port: 0 };
  }

  getpeername(): SocketAddress | number {
    return this.peer ?? -ERRNO.ENOTCONN;
  }

  release(): void {
    this.state = "closed";
    if (this.socket === undefined) closeFd(this.fd);
    else this.socket.close();
  }
}
