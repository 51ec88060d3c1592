/**
 * A UDP socket of a guest. One guest socket may be several real ones: a wildcard receives on the
 * guest's address and on its loopback, and sends to the world beyond from one that the kernel
 * chooses the address of. A datagram is dropped when the guest's ring is full, as by a full
 * receive buffer.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { BIND_V6ONLY, ERRNO, EVENT, errnoOf, OP } from "@outsock/abi";
import { getsockname, SysError } from "@outsock/hostsys";
import { RingConsumer, RingProducer } from "@outsock/ring";
import { type Endpoint, PayloadWriter, takeDatagram, writeDatagram } from "@outsock/vrpc";
import { addressFor, isWildcard, unmapped } from "./network-plan.ts";
import type {
  AllocatedRings,
  GuestSocket,
  SessionContext,
  SocketOption,
} from "./session-sockets.ts";
import { getOptionOf, PendingOptions, setOptionOn } from "./socket-options.ts";
import { type BoundFd, bindAll } from "./stream-socket.ts";

const RING_AT_LEAST = 64 * 1024 * 2;
const EMPTY = new Uint8Array(0);
const ANY: Endpoint = { address: "0.0.0.0", port: 0, family: 4 };
const ANY_6: Endpoint = { address: "::", port: 0, family: 6 };

/** A real socket; `address` is what it is bound to, undefined for the one to the world beyond. */
interface RealSocket {
  address: string | undefined;
  fd: number;
  family: 4 | 6;
  socket: Socket;
}

export class DatagramSocket implements GuestSocket {
  private readonly context: SessionContext;
  private readonly id: number;
  private readonly pending = new PendingOptions();
  private readonly real: RealSocket[] = [];
  private rings: AllocatedRings | undefined;
  private tx: RingConsumer | undefined;
  private rx: RingProducer | undefined;
  private local: Endpoint | undefined;
  private sending = 0;
  private sendQueued = false;
  private closed: (() => void) | undefined;
  bytes = 0;
  /** Datagrams dropped because the guest's ring was full. */
  dropped = 0;

  constructor(context: SessionContext, id: number) {
    this.context = context;
    this.id = id;
  }

  bind(sequence: number, local: Endpoint, flags: number): void {
    const addresses = this.context.plan.bind(local, (flags & BIND_V6ONLY) !== 0);
    if (this.local !== undefined) {
      this.answer(OP.BIND, sequence, ERRNO.EINVAL);
    } else if (typeof addresses === "number") {
      this.answer(OP.BIND, sequence, addresses);
    } else {
      this.answer(OP.BIND, sequence, this.open(local, addresses, flags), () =>
        new PayloadWriter().endpoint(this.local!).rings(this.rings!.pair).done(),
      );
    }
  }

  /** @returns 0 or a positive errno */
  private open(local: Endpoint, addresses: readonly string[], flags: number): number {
    const rings = this.context.allocateRings(this.id, RING_AT_LEAST);
    if (rings === undefined) return ERRNO.ENOBUFS;
    try {
      const { fds, port } = bindAll(this.context.plan, "udp", addresses, local.port, flags);
      for (const bound of fds) this.adopt(bound, bound.address);
      this.local = { ...local, port };
      if (isWildcard(local)) this.context.plan.holdWildcard(port);
    } catch (error) {
      rings.release();
      if (error instanceof SysError) return errnoOf(error.code);
      throw error;
    }
    this.rings = rings;
    this.tx = new RingConsumer(this.context.memory, rings.tx);
    this.rx = new RingProducer(this.context.memory, rings.rx);
    return 0;
  }

  private adopt({ fd, family }: BoundFd, address: string | undefined): RealSocket {
    this.pending.applyTo(fd);
    const socket = createSocket({ type: family === 6 ? "udp6" : "udp4" });
    const real = { address, fd, family, socket };
    this.real.push(real);
    socket.on("message", (data, from) => this.received(data, from));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.context.reset(this.id, errnoOf(error.code));
    });
    socket.bind({ fd });
    return real;
  }

  private received(data: Buffer, from: RemoteInfo): void {
    const { rx } = this;
    if (rx === undefined || this.closed !== undefined) return;
    this.context.guard(() => {
      const source = this.context.plan.toGuest({
        address: from.address,
        port: from.port,
        family: from.family === "IPv6" ? 6 : 4,
      });
      if (writeDatagram(rx, source, data, false)) {
        this.bytes += data.length;
        this.context.notify(this.id, EVENT.DATA);
      } else {
        this.dropped++;
      }
    });
  }

  connect(sequence: number, destination: Endpoint): void {
    const any = unmapped(destination).family === 6 ? ANY_6 : ANY;
    const errno = this.local === undefined ? this.open(any, this.addressesOf(any), 0) : 0;
    if (errno !== 0) {
      this.answer(OP.CONNECT, sequence, errno);
      return;
    }
    const { plan } = this.context;
    const target = plan.target(destination);
    const real = this.sender(target.source);
    if (typeof real === "number") {
      this.answer(OP.CONNECT, sequence, real);
      return;
    }
    const { address, port } = target.endpoint;
    const connected = (error?: Error): void => {
      const code = (error as NodeJS.ErrnoException | undefined)?.code;
      const { port } = this.local!;
      const local = plan.toGuest(
        plan.oneToOne
          ? getsockname(real.fd)
          : { address: target.source ?? "0.0.0.0", port, family: 4 },
      );
      this.answer(OP.CONNECT, sequence, error ? errnoOf(code) : 0, () =>
        new PayloadWriter().endpoint(local).endpoint(destination).rings(this.rings!.pair).done(),
      );
    };
    try {
      real.socket.connect(port, addressFor(real.family, address), (...[error]: [Error?]) =>
        connected(error),
      );
    } catch {
      // Node refuses some at once: port 0, a socket that is connected.
      this.answer(OP.CONNECT, sequence, ERRNO.EINVAL);
    }
  }

  disconnect(sequence: number): void {
    for (const { socket } of this.real) {
      try {
        socket.disconnect();
      } catch {
        // Only the connected one can be disconnected.
      }
    }
    this.answer(OP.DISCONNECT, sequence, 0);
  }

  membership(sequence: number, join: boolean, group: Endpoint, via: Endpoint): void {
    const { plan } = this.context;
    let errno: number = ERRNO.EADDRNOTAVAIL;
    const addresses = plan.bind(via, false);
    for (const { socket, address } of this.real) {
      if (typeof addresses === "number" || address === undefined) continue;
      if (!plan.oneToOne && !addresses.includes(address)) continue;
      const at = plan.oneToOne ? addresses[0]! : address;
      try {
        if (join) socket.addMembership(group.address, at);
        else socket.dropMembership(group.address, at);
        errno = 0;
      } catch (error) {
        errno = errnoOf((error as NodeJS.ErrnoException).code);
      }
    }
    this.answer(OP.MEMBERSHIP, sequence, errno);
  }

  private addressesOf(any: Endpoint): readonly string[] {
    return this.context.plan.bind(any, false) as readonly string[];
  }

  /** The real socket that sends from `source`. @returns a positive errno when there is none */
  private sender(source: string | undefined): RealSocket | number {
    if (this.context.plan.oneToOne) return this.real[0] ?? ERRNO.EINVAL;
    const found = this.real.find((r) => r.address === source);
    if (found !== undefined) return found;
    if (source !== undefined) return ERRNO.EINVAL;
    try {
      const { fds } = bindAll(this.context.plan, "udp", ["0.0.0.0"], 0, 0);
      return this.adopt(fds[0]!, undefined);
    } catch (error) {
      if (error instanceof SysError) return errnoOf(error.code);
      throw error;
    }
  }

  onEvents(events: number): void {
    if (events & EVENT.DATA) this.pump();
  }

  private pump(): void {
    const { tx, context } = this;
    if (tx === undefined || this.closed !== undefined) return;
    // Bounded for fairness: the rest follows when these are sent.
    while (this.sending < 64) {
      const datagram = takeDatagram(tx);
      if (datagram === undefined) return;
      if (datagram.notify) context.notify(this.id, EVENT.SPACE);
      const target = context.plan.target(unmapped(datagram.endpoint));
      const real = this.sender(target.source);
      if (typeof real === "number") {
        context.reset(this.id, real);
        continue;
      }
      this.sending++;
      this.bytes += datagram.payload.length;
      const { address, port } = target.endpoint;
      const sent = (error: Error | null): void => {
        this.sending--;
        if (this.closed !== undefined) return;
        if (error) context.reset(this.id, errnoOf((error as NodeJS.ErrnoException).code));
        if (this.sendQueued) {
          this.sendQueued = false;
          context.guard(() => this.pump());
        }
      };
      try {
        if (this.connected(real)) real.socket.send(datagram.payload, sent);
        else real.socket.send(datagram.payload, port, addressFor(real.family, address), sent);
      } catch (error) {
        sent(error as Error);
      }
    }
    this.sendQueued = true;
  }

  private connected({ socket }: RealSocket): boolean {
    try {
      socket.remoteAddress();
      return true;
    } catch {
      return false;
    }
  }

  setOption(option: SocketOption): number {
    const kept = this.pending.set(option);
    if (kept !== 0) return kept;
    for (const { fd } of this.real) {
      const errno = setOptionOn(fd, option);
      if (errno !== 0) return errno;
    }
    return 0;
  }

  getOption(level: number, name: number): { errno: number; value: number } {
    const real = this.real[0];
    return real === undefined ? this.pending.get(level, name) : getOptionOf(real.fd, level, name);
  }

  close(_reset: boolean, closed: () => void): void {
    // Datagrams that the guest sent before are in the kernel's hands after this turn.
    this.context.guard(() => this.pump());
    this.closed = closed;
    const { local } = this;
    if (local !== undefined && isWildcard(local)) this.context.plan.releaseWildcard(local.port);
    let left = this.real.length;
    const finished = (): void => {
      this.rings?.release();
      closed();
    };
    if (left === 0) finished();
    for (const { socket } of this.real) {
      socket.close(() => {
        left--;
        if (left === 0) finished();
      });
    }
  }

  private answer(
    opcode: number,
    sequence: number,
    status: number,
    payload?: () => Uint8Array,
  ): void {
    const bytes = status === 0 && payload !== undefined ? payload() : EMPTY;
    this.context.reply(opcode, sequence, this.id, status, bytes);
  }
}
