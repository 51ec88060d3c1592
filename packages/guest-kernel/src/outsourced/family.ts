/** The protocol family `outsourced`: sockets that live in the host agent. */
import { ERRNO, OP, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import { PayloadReader, PayloadWriter } from "@outsock/vrpc";
import type { ProtocolFamily, SocketFile } from "../net/protocol-family.ts";
import { OutsourcedDatagram } from "./datagram-socket.ts";
import type { Link } from "./link.ts";
import { OutsourcedStream } from "./stream-socket.ts";

export class OutsourcedFamily implements ProtocolFamily {
  readonly name = "outsourced";
  private readonly link: Link;

  constructor(link: Link) {
    this.link = link;
  }

  socket(domain: number, type: number, _protocol: number): SocketFile | number {
    if (type !== SOCK_STREAM && type !== SOCK_DGRAM) return -ERRNO.EPERM;
    if (!this.link.alive) return -ERRNO.ENETDOWN;
    const make = type === SOCK_STREAM ? OutsourcedStream : OutsourcedDatagram;
    const socket = new make(this.link, domain, 0);
    if (!socket.open()) {
      socket.release();
      return -ERRNO.ENOBUFS;
    }
    return socket;
  }

  resolve(name: string, done: (addresses: string[]) => void): void {
    const payload = new PayloadWriter().text(name).done();
    this.link.channel.call(OP.RESOLVE, 0, payload, (reply) => {
      const addresses: string[] = [];
      if (reply.status === 0) {
        const reader = new PayloadReader(reply.payload);
        for (let left = reader.u32(); left > 0; left--) addresses.push(reader.endpoint().address);
      }
      done(addresses);
    });
    this.link.expect();
  }
}
