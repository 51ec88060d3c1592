/**
 * Listening: Node's own `net.Server` with a handle that is a descriptor of the guest kernel. Only
 * `listen` is replaced; `close`, `address`, `ref`, `unref` and `getConnections` are Node's and use
 * that handle.
 */
import { AsyncResource } from "node:async_hooks";
import cluster from "node:cluster";
import { channel } from "node:diagnostics_channel";
import { isIP, type LookupFunction, type Server } from "node:net";
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  ERRNO,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_OUTSOCK_SHORTCUT,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_OUTSOCK,
  SOL_SOCKET,
} from "@outsock/abi";
import type { SocketAddress } from "../net/protocol-family.ts";
import type { EventLoop, FdHandler } from "./event-loop.ts";
import type { Natives } from "./natives.ts";
import { HAS_BLOCK_LISTS, normalizeArguments, type OutsockOptions } from "./net-connect.ts";
import { ACCEPTED, familyOf, GuestSocket, type GuestSocketOptions } from "./net-socket.ts";
import { codedError, listenException } from "./system-errors.ts";

const DEFAULT_BACKLOG = 511;
/** Accepted in one turn before others are served. */
const ACCEPTS = 256;
const acceptedChannel = channel("net.server.socket");

/** What Node's Server methods use of a handle, and what this file uses of a Server. */
interface ServerInternals extends Server {
  _handle: ListenHandle | null;
  _connections: number;
  _connectionKey: string;
  _unref: boolean;
  _emitCloseIfDrained(): void;
  _listeningId: number;
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  highWaterMark?: number;
  noDelay: boolean;
  keepAlive: boolean;
  keepAliveInitialDelay: number;
  maxConnections: number;
  dropMaxConnection?: boolean;
  blockList?: { check(address: string, family: string): boolean };
}

class ListenHandle implements FdHandler {
  private readonly loop: EventLoop;
  private readonly server: ServerInternals;
  readonly fd = -1;
  private readonly descriptor: number;
  /** Given up when descriptors run out, to close a connection that waits (as libuv does). */
  private reserve: number;
  private refed = true;
  private closed = false;
  /** Connections come in the context that `listen` was called in. */
  private readonly resource = new AsyncResource("TCPSERVERWRAP");

  constructor(loop: EventLoop, server: ServerInternals, descriptor: number) {
    this.loop = loop;
    this.server = server;
    this.descriptor = descriptor;
    this.reserve = loop.sys.dup(descriptor);
    loop.host.hold();
    loop.add(descriptor, this);
  }

  onEvents(events: number): void {
    if (!(events & EPOLLIN)) return;
    for (let n = 0; !this.closed; n++) {
      if (n === ACCEPTS) {
        this.loop.host.defer(() => this.onEvents(EPOLLIN));
        return;
      }
      const fd = this.loop.sys.accept4(this.descriptor);
      if (fd < 0) {
        if (fd === -ERRNO.EMFILE && this.shed()) continue;
        return;
      }
      if (n > 0) this.loop.host.tick();
      onConnection(this.loop, this.server, fd, this.resource);
    }
  }

  /** Closes one connection that waits. @returns false when that did not work */
  private shed(): boolean {
    const { sys } = this.loop;
    if (this.reserve < 0) return false;
    sys.close(this.reserve);
    const fd = sys.accept4(this.descriptor);
    if (fd >= 0) sys.close(fd);
    this.reserve = sys.dup(this.descriptor);
    return fd >= 0;
  }

  getsockname(out: Record<string, unknown>): number {
    const local = this.loop.sys.getsockname(this.descriptor);
    if (typeof local === "number") return local;
    out.address = local.address;
    out.family = familyOf(local);
    out.port = local.port;
    return 0;
  }

  ref(): void {
    if (this.refed || this.closed) return;
    this.refed = true;
    this.loop.host.hold();
  }

  unref(): void {
    if (!this.refed || this.closed) return;
    this.refed = false;
    this.loop.host.release();
  }

  hasRef(): boolean {
    return this.refed;
  }

  close(done?: () => void): void {
    if (this.closed) return;
    this.unref();
    this.closed = true;
    this.loop.remove(this.descriptor);
    if (this.reserve >= 0) this.loop.sys.close(this.reserve);
    this.loop.sys.close(this.descriptor);
    if (done !== undefined) this.loop.host.defer(done);
  }
}

function info(address: SocketAddress | number, prefix: string): Record<string, unknown> {
  if (typeof address === "number") return {};
  return {
    [`${prefix}Address`]: address.address,
    [`${prefix}Port`]: address.port,
    [`${prefix}Family`]: familyOf(address),
  };
}

function onConnection(
  loop: EventLoop,
  server: ServerInternals,
  fd: number,
  context: AsyncResource,
): void {
  const { blockList } = server;
  if (HAS_BLOCK_LISTS && blockList !== undefined) {
    const peer = loop.sys.getpeername(fd);
    if (typeof peer !== "number" && blockList.check(peer.address, familyOf(peer).toLowerCase())) {
      loop.sys.close(fd);
      return;
    }
  }
  const { maxConnections } = server;
  if (maxConnections != null && server._connections >= maxConnections) {
    const data = {
      ...info(loop.sys.getsockname(fd), "local"),
      ...info(loop.sys.getpeername(fd), "remote"),
    };
    loop.sys.close(fd);
    context.runInAsyncScope(() => server.emit("drop", data));
    return;
  }
  const options: GuestSocketOptions = {
    [ACCEPTED]: fd,
    allowHalfOpen: server.allowHalfOpen,
    pauseOnCreate: server.pauseOnConnect,
    readable: true,
    writable: true,
    ...(server.highWaterMark === undefined
      ? {}
      : {
          readableHighWaterMark: server.highWaterMark,
          writableHighWaterMark: server.highWaterMark,
        }),
  };
  const socket = new GuestSocket(options);
  if (server.noDelay) socket.setNoDelay(true);
  if (server.keepAlive) socket.setKeepAlive(true, server.keepAliveInitialDelay * 1000);
  server._connections++;
  socket.server = server;
  socket._server = server;
  context.runInAsyncScope(() => server.emit("connection", socket));
  if (acceptedChannel.hasSubscribers) acceptedChannel.publish({ socket });
}

/** A bound, listening descriptor, or a negative errno. */
function listenOn(
  loop: EventLoop,
  address: SocketAddress,
  backlog: number,
  ipv6Only: boolean,
  reusePort: boolean,
  shortcut: boolean,
): number {
  const { sys } = loop;
  const fd = sys.socket(address.family, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  if (ipv6Only) sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // Workers of a cluster share a port: the kernel spreads the connections over them.
  if (reusePort || cluster.isWorker) sys.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (!shortcut) sys.setsockopt(fd, SOL_OUTSOCK, SO_OUTSOCK_SHORTCUT, 0);
  const status = sys.bind(fd, address) || sys.listen(fd, backlog);
  if (status < 0) {
    sys.close(fd);
    return status;
  }
  return fd;
}

interface ListenOptions {
  port?: number | string;
  host?: string;
  path?: string;
  backlog?: number;
  exclusive?: boolean;
  ipv6Only?: boolean;
  reusePort?: boolean;
  outsock?: OutsockOptions;
  signal?: AbortSignal;
  fd?: number;
  handle?: unknown;
  _handle?: unknown;
}

function backlogArgument(args: unknown[]): number | undefined {
  if (typeof args[0] === "object" && args[0] !== null) return undefined;
  const candidate = typeof args[1] === "string" ? args[2] : args[1];
  return typeof candidate === "number" ? candidate : undefined;
}

/** Where Node itself must decide: paths, host handles, and arguments that it refuses. */
function leftToNode(args: unknown[], options: ListenOptions): boolean {
  if (options.path || options._handle !== undefined) return true;
  if (options.handle !== undefined || typeof options.fd === "number") return true;
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) return true;
  const { port } = options;
  if (args.length === 0 || typeof args[0] === "function") return false;
  if (port === undefined || port === null) {
    // `listen(undefined, ...)` picks a port; an object without one is refused.
    return typeof args[0] === "object" && args[0] !== null && !("port" in options);
  }
  const n = Number(port);
  const plain = typeof port === "number" || (typeof port === "string" && port.trim() !== "");
  return !plain || !Number.isInteger(n) || n < 0 || n > 65535;
}

/** True for a server that listens in the guest, not on a path of the host. */
export function isGuestServer(server: Server): boolean {
  return (server as ServerInternals)._handle instanceof ListenHandle;
}

export function installServer(loop: EventLoop, natives: Natives, lookup: LookupFunction): void {
  const { prototype } = natives.net.Server;
  const nativeListen = prototype.listen as (this: Server, ...args: unknown[]) => Server;

  function listen(this: ServerInternals, ...args: unknown[]): ServerInternals {
    const [options, callback] = normalizeArguments(args) as [ListenOptions, (() => void) | null];
    if (this._handle || leftToNode(args, options)) {
      if (typeof options.fd === "number" && options.fd >= 0) {
        throw codedError(
          Error,
          "ERR_OUTSOCK_FD",
          "listening on a file descriptor is not possible in a guest: it has no host sockets",
        );
      }
      return Reflect.apply(nativeListen, this, args) as ServerInternals;
    }
    if (callback !== null) this.once("listening", callback);
    const { signal } = options;
    if (signal !== undefined) {
      const abort = (): void => void this.close();
      if (signal.aborted) process.nextTick(abort);
      else {
        signal.addEventListener("abort", abort, { once: true });
        this.once("close", () => signal.removeEventListener("abort", abort));
      }
    }
    const backlog = options.backlog ?? backlogArgument(args) ?? DEFAULT_BACKLOG;
    const port = Number(options.port ?? 0);
    const start = (address: string | undefined): void => {
      if (signal?.aborted) return;
      const shown = address ?? "::";
      const family = isIP(shown) === 4 ? AF_INET : AF_INET6;
      const status = listenOn(
        loop,
        { family, address: shown, port },
        backlog || DEFAULT_BACKLOG,
        Boolean(options.ipv6Only),
        Boolean(options.reusePort),
        options.outsock?.shortcut !== false,
      );
      if (status < 0 && address === undefined && status !== -ERRNO.EADDRINUSE) {
        // As Node does where there is no IPv6.
        start("0.0.0.0");
        return;
      }
      if (status < 0) {
        const error = listenException(status, "listen", shown, port);
        process.nextTick(() => this.emit("error", error));
        return;
      }
      this._handle = new ListenHandle(loop, this, status);
      this._connectionKey = `${family === AF_INET6 ? 6 : 4}:${address ?? "null"}:${port}`;
      if (this._unref) this.unref();
      process.nextTick(() => {
        if (this._handle) this.emit("listening");
      });
    };
    const { host } = options;
    if (!host) {
      start(undefined);
    } else if (isIP(host) !== 0) {
      // Node looks a literal up too, which takes a turn.
      lookup(host, {}, (_error, address) => start(address as string));
    } else {
      lookup(host, {}, (error, address) => {
        if (error) this.emit("error", error);
        else start(address as string);
      });
    }
    return this;
  }

  Object.defineProperty(prototype, "listen", {
    value: listen,
    writable: true,
    configurable: true,
  });
}
