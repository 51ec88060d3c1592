/**
 * What the socket layer asks of a protocol family: one interface, several families
 * (`outsourced`, `passthrough`, later `virtio`), one compliance suite.
 *
 * Calls never block: what would block answers -EAGAIN or -EINPROGRESS and changes the readiness
 * of the file later. Errors are negative errno values, as of Linux system calls.
 */
import { ERRNO } from "@outsock/abi";
import { OpenFile } from "../kernel/open-file.ts";

/** sockaddr_in and sockaddr_in6, as plain values. */
export interface SocketAddress {
  /** AF_INET or AF_INET6. */
  family: number;
  /** Literal; IPv4 peers of an AF_INET6 socket are "::ffff:a.b.c.d". */
  address: string;
  port: number;
}

export interface ReceivedDatagram {
  data: Buffer;
  from: SocketAddress;
}

export type SocketState = "unconnected" | "listening" | "connecting" | "connected" | "closed";

export abstract class SocketFile extends OpenFile {
  readonly kind = "socket";
  /** AF_INET or AF_INET6. */
  abstract readonly domain: number;
  /** SOCK_STREAM or SOCK_DGRAM. */
  abstract readonly type: number;
  abstract readonly state: SocketState;

  abstract bind(address: SocketAddress): number;
  abstract connect(address: SocketAddress): number;
  abstract setsockopt(level: number, name: number, value: number): number;
  /** SO_ERROR gives a positive errno and clears it. */
  abstract getsockopt(level: number, name: number): { result: number; value: number };
  abstract getsockname(): SocketAddress | number;
  abstract getpeername(): SocketAddress | number;

  /** Bytes received and not yet read, and bytes written and not yet taken by the peer's side. */
  queues(): { receive: number; send: number } {
    return { receive: this.available(), send: 0 };
  }

  listen(_backlog: number): number {
    return -ERRNO.EOPNOTSUPP;
  }

  /** @returns the accepted socket, or a negative errno */
  accept(): SocketFile | number {
    return -ERRNO.EOPNOTSUPP;
  }

  shutdown(_how: number): number {
    return -ERRNO.EOPNOTSUPP;
  }

  /** Closing sends a reset instead of the end of the stream (SO_LINGER with time 0). */
  abortOnClose(): void {}

  sendto(_data: Uint8Array, _to: SocketAddress | undefined): number {
    return -ERRNO.EOPNOTSUPP;
  }

  recvfrom(): ReceivedDatagram | number {
    return -ERRNO.EOPNOTSUPP;
  }

  disconnect(): number {
    return -ERRNO.EOPNOTSUPP;
  }

  membership(_join: boolean, _group: string, _via: string | undefined): number {
    return -ERRNO.EOPNOTSUPP;
  }
}

export interface ProtocolFamily {
  readonly name: string;
  /** @returns the socket or a negative errno */
  socket(domain: number, type: number, protocol: number): SocketFile | number;
  /** Addresses of a name that the family itself knows (other guests, the host). */
  resolve(name: string, done: (addresses: string[]) => void): void;
}
