/** A TCP socket that the guest made: bind, connect or listen decide what it becomes. */
import {
  BIND_REUSEADDR,
  BIND_REUSEPORT,
  BIND_V6ONLY,
  ERRNO,
  errnoOf,
  IPPROTO_IP,
  OP,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
} from "@outsock/abi";
import {
  bindInet,
  closeFd,
  getsockname,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SysError,
  setsockoptInt,
} from "@outsock/hostsys";
import { type Endpoint, PayloadWriter } from "@outsock/vrpc";
import { Listener } from "./listener.ts";
import { addressFor, isWildcard, type NetworkPlan } from "./network-plan.ts";
import type { GuestSocket, SessionContext, SocketOption } from "./session-sockets.ts";
import { getOptionOf, PendingOptions, setOptionOn } from "./socket-options.ts";
import { StreamRelay } from "./stream-relay.ts";
import { socketOfFd, socketOfHandle } from "./tcp-handle.ts";

const WILDCARD_PORT_TRIES = 16;

const EMPTY = new Uint8Array(0);

export interface BoundFd {
  fd: number;
  address: string;
  family: 4 | 6;
}

function errnoOfThrown(error: unknown): number {
  if (error instanceof SysError) return errnoOf(error.code);
  throw error;
}

/** Binds one descriptor for each address, all to one port. @throws SysError */
export function bindAll(
  plan: NetworkPlan,
  type: "tcp" | "udp",
  addresses: readonly string[],
  port: number,
  flags: number,
): { fds: BoundFd[]; port: number } {
  for (let attempt = 1; ; attempt++) {
    const fds: BoundFd[] = [];
    let chosen = port;
    try {
      for (const address of addresses) {
        const family = address.includes(":") ? 6 : 4;
        const fd = plan.inetSocket(type, family);
        fds.push({ fd, address, family });
        if (family === 6) {
          setsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, flags & BIND_V6ONLY ? 1 : 0);
        }
        if (type === "tcp" || flags & BIND_REUSEADDR)
          setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (flags & BIND_REUSEPORT) setsockoptInt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        bindInet(fd, address, chosen);
        chosen = getsockname(fd).port;
      }
      return { fds, port: chosen };
    } catch (error) {
      for (const { fd } of fds) closeFd(fd);
      const clash = port === 0 && error instanceof SysError && error.code === "EADDRINUSE";
      if (!clash || attempt === WILDCARD_PORT_TRIES) throw error;
    }
  }
}

export class StreamSocket implements GuestSocket {
  private readonly context: SessionContext;
  private readonly id: number;
  private readonly pending = new PendingOptions();
  private bound: { fds: BoundFd[]; local: Endpoint } | undefined;
  private wildcardPort: number | undefined;
  private relay: StreamRelay | undefined;
  private listener: Listener | undefined;

  constructor(context: SessionContext, id: number) {
    this.context = context;
    this.id = id;
  }

  /** It is a connection, or is becoming one. */
  get relayed(): boolean {
    return this.relay !== undefined;
  }

  get bytes(): number {
    return this.relay?.bytes ?? 0;
  }

  bind(sequence: number, local: Endpoint, flags: number): void {
    const addresses = this.context.plan.bind(local, (flags & BIND_V6ONLY) !== 0);
    if (this.bound !== undefined || this.relay !== undefined) {
      this.answer(OP.BIND, sequence, ERRNO.EINVAL);
    } else if (typeof addresses === "number") {
      this.answer(OP.BIND, sequence, addresses);
    } else {
      try {
        const { fds, port } = bindAll(this.context.plan, "tcp", addresses, local.port, flags);
        this.bound = { fds, local: { ...local, port } };
        if (isWildcard(local)) {
          this.wildcardPort = port;
          this.context.plan.holdWildcard(port);
        }
        const payload = new PayloadWriter().endpoint(this.bound.local).done();
        this.answer(OP.BIND, sequence, 0, payload);
      } catch (error) {
        this.answer(OP.BIND, sequence, errnoOfThrown(error));
      }
    }
  }

  /** @param backlog at least 1 */
  listen(sequence: number, backlog: number, published: (listener: Listener) => void): void {
    const { bound } = this;
    if (bound === undefined || this.relay !== undefined || this.listener !== undefined) {
      this.answer(OP.LISTEN, sequence, ERRNO.EINVAL);
      return;
    }
    const listener = new Listener(this.context, this.id, backlog, bound.local);
    try {
      for (const { fd } of bound.fds) {
        this.pending.applyTo(fd);
        listener.add(fd);
      }
    } catch (error) {
      bound.fds = [];
      this.bound = undefined;
      listener.close(() => {});
      this.answer(OP.LISTEN, sequence, errnoOfThrown(error));
      return;
    }
    bound.fds = [];
    this.listener = listener;
    this.answer(OP.LISTEN, sequence, 0, new PayloadWriter().endpoint(bound.local).done());
    published(listener);
  }

  accepted(count: number): void {
    this.listener?.accepted(count);
  }

  connect(sequence: number, destination: Endpoint): void {
    if (this.relay !== undefined || this.listener !== undefined) {
      this.answer(OP.CONNECT, sequence, ERRNO.EISCONN);
      return;
    }
    const { plan } = this.context;
    const target = plan.target(destination);
    let fd: number;
    let family: 4 | 6;
    try {
      ({ fd, family } = this.connectingFd(target.endpoint.family, target.source));
    } catch (error) {
      this.answer(OP.CONNECT, sequence, errnoOfThrown(error));
      return;
    }
    this.pending.applyTo(fd);
    const rings = this.context.allocateRings(this.id);
    if (rings === undefined) {
      closeFd(fd);
      this.answer(OP.CONNECT, sequence, ERRNO.ENOBUFS);
      return;
    }
    const relay = new StreamRelay(this.context, this.id, rings);
    this.relay = relay;
    const socket = socketOfFd(fd, relay);
    const failed = (error: NodeJS.ErrnoException): void => {
      this.answer(OP.CONNECT, sequence, errnoOf(error.code));
      this.relay = undefined;
      relay.close(true, () => {});
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      relay.attach(socket);
      const local = plan.toGuest({
        address: socket.localAddress ?? "0.0.0.0",
        port: socket.localPort ?? 0,
        family: target.endpoint.family,
      });
      const payload = new PayloadWriter()
        .endpoint(local)
        .endpoint(isWildcard(destination) ? plan.toGuest(target.endpoint) : destination)
        .rings(rings.pair)
        .done();
      this.answer(OP.CONNECT, sequence, 0, payload);
      relay.onEvents(-1);
    });
    const { address, port } = target.endpoint;
    socket.connect({ host: addressFor(family, address), port });
    relay.connecting(socket);
  }

  /** A descriptor to connect with: the bound one, or a new one with the right source address. */
  private connectingFd(family: 4 | 6, source: string | undefined): { fd: number; family: 4 | 6 } {
    const { bound } = this;
    if (bound !== undefined) {
      // A socket bound to a wildcard connects from the address that its destination needs.
      const chosen = bound.fds.find((b) => b.address === source) ?? bound.fds[0];
      for (const other of bound.fds) if (other !== chosen) closeFd(other.fd);
      bound.fds = [];
      if (chosen !== undefined) return chosen;
    }
    const fd = this.context.plan.inetSocket("tcp", family);
    if (source !== undefined) {
      try {
        setsockoptInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        bindInet(fd, source, 0);
      } catch (error) {
        closeFd(fd);
        throw error;
      }
    }
    return { fd, family };
  }

  /** Becomes the guest's end of an accepted handle. */
  adopt(handle: unknown, relay: StreamRelay): void {
    this.relay = relay;
    relay.start(socketOfHandle(handle, relay));
  }

  onEvents(events: number): void {
    this.relay?.onEvents(events);
  }

  setOption(option: SocketOption): number {
    const fd = this.fd();
    return fd === -1 ? this.pending.set(option) : setOptionOn(fd, option);
  }

  getOption(level: number, name: number): { errno: number; value: number } {
    const fd = this.fd();
    return fd === -1 ? this.pending.get(level, name) : getOptionOf(fd, level, name);
  }

  private fd(): number {
    return this.relay?.fd() ?? this.bound?.fds[0]?.fd ?? -1;
  }

  close(reset: boolean, closed: () => void): void {
    for (const { fd } of this.bound?.fds ?? []) closeFd(fd);
    this.bound = undefined;
    if (this.wildcardPort !== undefined) this.context.plan.releaseWildcard(this.wildcardPort);
    if (this.relay !== undefined) this.relay.close(reset, closed);
    else if (this.listener !== undefined) this.listener.close(closed);
    else closed();
  }

  private answer(
    opcode: number,
    sequence: number,
    status: number,
    payload: Uint8Array = EMPTY,
  ): void {
    this.context.reply(opcode, sequence, this.id, status, payload);
  }
}
