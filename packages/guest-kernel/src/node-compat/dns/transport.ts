/** One query to one server, by UDP or by TCP. What comes back is bytes; the caller judges them. */
import { isIP } from "node:net";
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  ERRNO,
  SO_ERROR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import type { SocketAddress } from "../../net/protocol-family.ts";
import type { EventLoop, FdHandler } from "../event-loop.ts";

export interface Server {
  address: string;
  port: number;
}

export interface LocalAddresses {
  ipv4?: string;
  ipv6?: string;
}

/** Told what a transport sees. Either may be the last call, when it closes the transport. */
interface TransportOwner {
  /** A whole message from the server. */
  onBytes(bytes: Buffer): void;
  /** No answer will come from this server: a positive errno. */
  onFailure(errno: number): void;
}

/** Datagrams looked at in one wake-up: a flood of forgeries must not keep the loop. */
const RECEIVE_BATCH = 64;

abstract class Transport implements FdHandler {
  protected readonly loop: EventLoop;
  protected readonly owner: TransportOwner;
  protected fd = -1;

  constructor(loop: EventLoop, owner: TransportOwner) {
    this.loop = loop;
    this.owner = owner;
  }

  abstract onEvents(events: number): void;

  /**
   * A connected socket: the kernel takes answers of the server alone, from a port that it chose at
   * random (RFC 5452 9.2), and says when the server refuses.
   * @returns 0, -EINPROGRESS or an error
   */
  protected connect(type: number, server: Server, local: LocalAddresses): number {
    const { sys } = this.loop;
    const family = isIP(server.address) === 6 ? AF_INET6 : AF_INET;
    this.fd = sys.socket(family, type, 0);
    if (this.fd < 0) return this.fd;
    const from = family === AF_INET6 ? local.ipv6 : local.ipv4;
    if (from !== undefined) {
      const error = sys.bind(this.fd, { family, address: from, port: 0 });
      if (error < 0) return error;
    }
    return sys.connect(this.fd, { family, address: server.address, port: server.port });
  }

  close(): void {
    if (this.fd < 0) return;
    this.loop.remove(this.fd);
    this.loop.sys.close(this.fd);
    this.fd = -1;
  }
}

export class UdpTransport extends Transport {
  private server: Server | undefined;

  /** @returns 0 or a negative errno */
  start(server: Server, local: LocalAddresses, query: Uint8Array): number {
    this.server = server;
    const error = this.connect(SOCK_DGRAM, server, local);
    if (error < 0) return error;
    const sent = this.loop.sys.sendto(this.fd, query, undefined);
    // Without room now the datagram is lost, as on any network: the timer repeats it.
    if (sent < 0 && sent !== -ERRNO.EAGAIN) return sent;
    this.loop.add(this.fd, this);
    return 0;
  }

  private isServer(from: SocketAddress): boolean {
    const { server } = this;
    return (
      from.port === server?.port && from.address.toLowerCase() === server.address.toLowerCase()
    );
  }

  onEvents(events: number): void {
    if ((events & (EPOLLIN | EPOLLERR)) === 0) return;
    for (let left = RECEIVE_BATCH; left > 0 && this.fd >= 0; left--) {
      const datagram = this.loop.sys.recvfrom(this.fd);
      if (datagram === -ERRNO.EAGAIN) return;
      if (typeof datagram === "number") {
        this.owner.onFailure(-datagram);
        return;
      }
      if (this.isServer(datagram.from)) this.owner.onBytes(datagram.data);
    }
    if (this.fd >= 0) this.loop.host.defer(() => this.onEvents(EPOLLIN));
  }
}

/** Messages over TCP have their length in front (RFC 1035 4.2.2). */
export class TcpTransport extends Transport {
  private pending = Buffer.alloc(0);
  private received: Buffer[] = [];
  private connecting = true;

  /** @returns 0 or a negative errno */
  start(server: Server, local: LocalAddresses, query: Uint8Array): number {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    this.pending = Buffer.concat([length, query]);
    const error = this.connect(SOCK_STREAM, server, local);
    if (error < 0 && error !== -ERRNO.EINPROGRESS) return error;
    this.loop.add(this.fd, this);
    return 0;
  }

  onEvents(events: number): void {
    if (this.fd < 0) return;
    if (this.connecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) !== 0) {
      const { value } = this.loop.sys.getsockopt(this.fd, SOL_SOCKET, SO_ERROR);
      if (value !== 0) {
        this.owner.onFailure(value);
        return;
      }
      this.connecting = false;
    }
    if (!this.connecting && this.pending.length > 0) this.write();
    if (this.fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) !== 0) this.read();
  }

  private write(): void {
    while (this.pending.length > 0) {
      const n = this.loop.sys.write(this.fd, this.pending);
      if (n === -ERRNO.EAGAIN) return;
      if (n < 0) {
        this.owner.onFailure(-n);
        return;
      }
      this.pending = this.pending.subarray(n);
    }
  }

  private read(): void {
    while (this.fd >= 0) {
      const chunk = Buffer.alloc(4096);
      const n = this.loop.sys.read(this.fd, chunk);
      if (n === -ERRNO.EAGAIN) return;
      if (n <= 0) {
        this.owner.onFailure(n === 0 ? ERRNO.ECONNRESET : -n);
        return;
      }
      this.received.push(chunk.subarray(0, n));
      this.take();
    }
  }

  private take(): void {
    let bytes = Buffer.concat(this.received);
    while (this.fd >= 0 && bytes.length >= 2) {
      const end = 2 + bytes.readUInt16BE(0);
      if (bytes.length < end) break;
      const message = bytes.subarray(2, end);
      bytes = bytes.subarray(end);
      this.owner.onBytes(message);
    }
    this.received = [bytes];
  }
}
