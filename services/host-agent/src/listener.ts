/**
 * A listening socket of a guest: one or more real listeners (a wildcard is its address and its
 * loopback, a published port one more), one accept queue.
 *
 * The guest gives a credit for each connection that it accepted; beyond `backlog` connections
 * without one, further ones wait here, and beyond that they are reset: memory is bounded.
 *
 * A connection of another guest becomes a shortcut here (shortcut/broker.ts): its guest's number
 * is taken when it is offered, so that the peer can be told at once.
 */
import { createServer, type Server } from "node:net";
import { PATH } from "@outsock/abi";
import { acceptInet, getsockname, listenFd, SysError } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";
import { isWildcard } from "./network-plan.ts";
import type { SessionContext } from "./session-sockets.ts";
import type { Assignment } from "./shortcut/broker.ts";
import { refusal } from "./shortcut/path.ts";
import { proofsOf } from "./shortcut/proof.ts";
import {
  connectionOfFd,
  connectionOfHandle,
  fdOfServer,
  handleEndpoints,
  type KernelConnection,
  takeConnections,
} from "./tcp-handle.ts";

const WAITING_MAX = 1024;
/** Connections that one guest's connect(2) takes off the kernel's queue at most. */
const ACCEPT_BATCH = 64;

/** An established connection that the guest has not been told of. */
export interface Arrival {
  /** Number of the guest's socket. */
  readonly socket: number;
  /** As the guest sees them. */
  readonly local: Endpoint;
  readonly peer: Endpoint;
  /** How its bytes go: by a shortcut, or by the relay of a kernel connection, with the reason. */
  readonly way: Assignment | { connection: KernelConnection; why: number };
}

export class Listener {
  private readonly context: SessionContext;
  private readonly id: number;
  private readonly backlog: number;
  /** As the guest bound it. */
  readonly local: Endpoint;
  private readonly shortcut: boolean;
  private readonly servers = new Set<Server>();
  private readonly waiting: Arrival[] = [];
  /** Connections whose other end is looked for. */
  private offered = 0;
  private outstanding = 0;
  private closing = false;
  private readonly onClose: (() => void)[] = [];
  /** Connections reset because the guest accepts too slowly or has no room. */
  dropped = 0;

  /** @param shortcut false keeps its connections on the relay */
  constructor(
    context: SessionContext,
    id: number,
    backlog: number,
    local: Endpoint,
    shortcut: boolean,
  ) {
    this.context = context;
    this.id = id;
    this.backlog = backlog;
    this.local = local;
    this.shortcut = shortcut;
  }

  /**
   * Listens on a bound descriptor, which it owns from then on.
   * @param address that it is bound to, where guests may connect to it
   * @throws SysError
   */
  add(fd: number, address?: string): Server {
    listenFd(fd, this.backlog);
    const server = createServer();
    this.servers.add(server);
    server.on("error", () => {});
    server.listen({ fd });
    takeConnections(server, (handle) => {
      const connection = connectionOfHandle(handle);
      const ends = handleEndpoints(handle);
      if (ends === undefined) connection.close();
      else this.arrived(connection, ends.local, ends.peer);
    });
    if (address !== undefined) {
      const { directory, plan } = this.context;
      const at = { listener: this, fd: fdOfServer(server), address };
      const forget = directory.add(plan, this.local.port, at);
      this.beforeClose(forget);
    }
    return server;
  }

  /** Why its connections get no shortcut (PATH); undefined when they may. */
  get noShortcut(): number | undefined {
    return refusal(this.context.shortcuts, this.shortcut);
  }

  /** Stops one of the real listeners. */
  remove(server: Server): void {
    if (this.servers.delete(server)) server.close();
  }

  /** Calls `handler` when the listener closes, before its descriptors do. */
  beforeClose(handler: () => void): void {
    this.onClose.push(handler);
  }

  /**
   * Takes what waits in the kernel's queue now.
   * @param fd one of its listening descriptors
   * @param address that `fd` is bound to
   */
  acceptNow(fd: number, address: string): void {
    try {
      for (let n = 0; n < ACCEPT_BATCH && !this.closing; n++) {
        const accepted = acceptInet(fd);
        if (accepted === null) return;
        const local = isWildcard({ address, port: 0, family: 4 })
          ? getsockname(accepted.fd)
          : { address, port: this.local.port, family: accepted.peer.family };
        this.arrived(connectionOfFd(accepted.fd), local, accepted.peer);
      }
    } catch (error) {
      // No descriptor is left, say: libuv will see the same and knows how to wait.
      if (!(error instanceof SysError)) throw error;
    }
  }

  private arrived(connection: KernelConnection, local: Endpoint, peer: Endpoint): void {
    const { context } = this;
    const { plan, shortcuts } = context;
    const full = this.waiting.length + this.offered >= WAITING_MAX;
    const socket = this.closing || full ? undefined : context.takeNumber();
    if (socket === undefined) {
      this.dropped++;
      connection.close();
      return;
    }
    const ends = { socket, local: plan.toGuest(local), peer: plan.toGuest(peer) };
    if (typeof shortcuts === "number" || !this.shortcut) {
      this.deliver({ ...ends, way: { connection, why: this.noShortcut ?? PATH.DISABLED } });
      return;
    }
    this.offered++;
    shortcuts.offer({
      kind: "accepted",
      proofs: proofsOf(plan, connection.fd, "accepted", local, peer),
      member: context,
      socket,
      abroad: plan.mayBeGuest(peer),
      take: () => connection.take(),
      giveBack: () => {},
      settled: (outcome) => {
        this.offered--;
        const way = typeof outcome === "number" ? { connection, why: outcome } : outcome;
        this.deliver({ ...ends, way });
      },
    });
  }

  private deliver(arrival: Arrival): void {
    if (this.closing) this.drop(arrival);
    else if (this.outstanding >= this.backlog || this.waiting.length > 0) {
      this.waiting.push(arrival);
    } else {
      this.offer(arrival);
    }
  }

  private offer(arrival: Arrival): void {
    if (this.context.accept(this.id, arrival)) this.outstanding++;
    else this.drop(arrival);
  }

  private drop({ socket, way }: Arrival): void {
    this.dropped++;
    this.context.returnNumber(socket);
    if ("shortcut" in way) way.shortcut.abandon(way.side);
    else way.connection.close();
  }

  /** The guest accepted `count` connections. */
  accepted(count: number): void {
    this.outstanding = Math.max(0, this.outstanding - count);
    while (this.waiting.length > 0 && this.outstanding < this.backlog) {
      this.offer(this.waiting.shift()!);
    }
  }

  close(closed: () => void): void {
    this.closing = true;
    for (const handler of this.onClose) handler();
    for (const arrival of this.waiting.splice(0)) this.drop(arrival);
    let left = this.servers.size;
    if (left === 0) closed();
    for (const server of this.servers) {
      server.close(() => {
        left--;
        if (left === 0) closed();
      });
    }
    this.servers.clear();
  }
}
