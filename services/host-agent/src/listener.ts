/**
 * A listening socket of a guest: one or more real listeners (a wildcard is its address and its
 * loopback, a published port one more), one accept queue.
 *
 * The guest gives a credit for each connection that it accepted; beyond `backlog` connections
 * without one, further ones wait here, and beyond that they are reset: memory is bounded.
 */
import { createServer, type Server } from "node:net";
import { listenFd } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";
import type { SessionContext } from "./session-sockets.ts";
import { closeHandle, handleEndpoints, takeConnections } from "./tcp-handle.ts";

const WAITING_MAX = 1024;

export class Listener {
  private readonly context: SessionContext;
  private readonly id: number;
  private readonly backlog: number;
  /** As the guest bound it. */
  readonly local: Endpoint;
  private readonly servers = new Set<Server>();
  private readonly waiting: unknown[] = [];
  private outstanding = 0;
  private closing = false;
  private readonly onClose: (() => void)[] = [];
  /** Connections reset because the guest accepts too slowly or has no room. */
  dropped = 0;

  constructor(context: SessionContext, id: number, backlog: number, local: Endpoint) {
    this.context = context;
    this.id = id;
    this.backlog = backlog;
    this.local = local;
  }

  /** Listens on a bound descriptor, which it owns from then on. @throws SysError */
  add(fd: number): Server {
    listenFd(fd, this.backlog);
    const server = createServer();
    this.servers.add(server);
    server.on("error", () => {});
    server.listen({ fd });
    takeConnections(server, (handle) => this.onConnection(handle));
    return server;
  }

  /** Stops one of the real listeners. */
  remove(server: Server): void {
    if (this.servers.delete(server)) server.close();
  }

  /** Calls `handler` when the listener closes, before its descriptors do. */
  beforeClose(handler: () => void): void {
    this.onClose.push(handler);
  }

  private onConnection(handle: unknown): void {
    if (this.closing || this.waiting.length >= WAITING_MAX) {
      this.dropped++;
      closeHandle(handle);
    } else if (this.outstanding >= this.backlog || this.waiting.length > 0) {
      this.waiting.push(handle);
    } else {
      this.offer(handle);
    }
  }

  private offer(handle: unknown): void {
    const ends = handleEndpoints(handle);
    const { plan } = this.context;
    if (
      ends === undefined ||
      !this.context.accept(this.id, plan.toGuest(ends.local), plan.toGuest(ends.peer), handle)
    ) {
      this.dropped++;
      closeHandle(handle);
      return;
    }
    this.outstanding++;
  }

  /** The guest accepted `count` connections. */
  accepted(count: number): void {
    this.outstanding = Math.max(0, this.outstanding - count);
    while (this.waiting.length > 0 && this.outstanding < this.backlog) {
      this.offer(this.waiting.shift());
    }
  }

  close(closed: () => void): void {
    this.closing = true;
    for (const handler of this.onClose) handler();
    for (const handle of this.waiting.splice(0)) closeHandle(handle);
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
