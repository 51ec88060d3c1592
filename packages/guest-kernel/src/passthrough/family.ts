/**
 * The protocol families over the host's own sockets: `passthrough` for AF_INET and AF_INET6 (for
 * the compliance suite and for measuring the guest kernel alone; never called native, never a
 * baseline), and `unix` for AF_UNIX, which every guest has.
 */
import { ERRNO, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import type { ProtocolFamily, SocketFile } from "../net/protocol-family.ts";
import { PassthroughDatagram } from "./datagram-socket.ts";
import type { HostNetwork } from "./host-network.ts";
import { PassthroughStream } from "./stream-socket.ts";
import { UnixStream } from "./unix-socket.ts";

export class PassthroughFamily implements ProtocolFamily {
  readonly name = "passthrough";
  private readonly network: HostNetwork;

  constructor(network: HostNetwork) {
    this.network = network;
  }

  socket(domain: number, type: number, _protocol: number): SocketFile | number {
    if (type === SOCK_STREAM) return PassthroughStream.make(this.network, domain);
    if (type === SOCK_DGRAM) return PassthroughDatagram.make(this.network, domain);
    return -ERRNO.EPERM;
  }

  /** Knows no names: the host's resolver has them. */
  resolve(_name: string, done: (addresses: string[]) => void): void {
    done([]);
  }
}

export class UnixFamily implements ProtocolFamily {
  readonly name = "unix";
  private readonly network: HostNetwork;

  constructor(network: HostNetwork) {
    this.network = network;
  }

  socket(_domain: number, type: number, _protocol: number): SocketFile | number {
    return type === SOCK_STREAM ? new UnixStream(this.network) : -ERRNO.ESOCKTNOSUPPORT;
  }

  resolve(_name: string, done: (addresses: string[]) => void): void {
    done([]);
  }
}
