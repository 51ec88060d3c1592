/**
 * Makes Node's TLS sockets at home on a guest socket. Node wraps whatever is no libuv handle in a
 * JSStream, and that wrapper knows neither names nor options nor references.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Natives } from "./natives.ts";
import { GuestSocket } from "./net-socket.ts";

interface TlsInternals {
  _parent?: unknown;
  _emitTLSError(error: Error): void;
  _tlsError(error: Error): Error | null;
  destroy(error: Error): void;
  connecting: boolean;
  _init(socket: unknown, wrap: unknown): void;
  _handle: { _parent?: Record<string, unknown> } | null;
}

type Out = Record<string, unknown>;

/** What `tls_wrap` asks of the handle below it (proxiedMethods, lib/_tls_wrap.js). */
function handleMethods(socket: GuestSocket): Record<string, unknown> {
  const fill = (out: Out, address: unknown, port: unknown, family: unknown): number => {
    if (address === undefined) return -107;
    Object.assign(out, { address, port, family });
    return 0;
  };
  return {
    getsockname: (out: Out) => fill(out, socket.localAddress, socket.localPort, socket.localFamily),
    getpeername: (out: Out) =>
      fill(out, socket.remoteAddress, socket.remotePort, socket.remoteFamily),
    ref: () => void socket.ref(),
    unref: () => void socket.unref(),
    hasRef: () => socket._stream?.hasRef() ?? false,
    setNoDelay: (on: boolean) => {
      socket.setNoDelay(on);
      return 0;
    },
    setKeepAlive: (on: boolean, delay: number) => {
      socket.setKeepAlive(on, delay * 1000);
      return 0;
    },
  };
}

/** What is patched of Node's wrapper for streams that are no libuv handles. */
interface StreamWrapper {
  stream: unknown;
  connecting: boolean;
  emit(event: string): boolean;
}

const WRAPPED = Symbol("outsock.wrapped");
const CONNECTING = Symbol("outsock.connecting");

/**
 * HTTP/2 wraps a guest socket in a JSStreamSocket, which is a `net.Socket` that knows neither
 * whether it is connected nor whom to. Its class is not exported: it is found below a TLS socket.
 */
export function installStreamWrapper(tls: Natives["tls"]): void {
  const probe = new tls.TLSSocket(new Duplex() as unknown as Socket);
  const { _parentWrap: wrapper } = (probe as unknown as { _handle: { _parentWrap: object } })
    ._handle;
  const prototype = Object.getPrototypeOf(wrapper) as StreamWrapper;
  probe.destroy();
  const guestSocket = (self: StreamWrapper): GuestSocket | undefined => {
    const wrapped = (self as unknown as Record<symbol, unknown>)[WRAPPED];
    return wrapped instanceof GuestSocket ? wrapped : undefined;
  };
  Object.defineProperty(prototype, "stream", {
    configurable: true,
    get(this: Record<symbol, unknown>) {
      return this[WRAPPED];
    },
    set(this: StreamWrapper & Record<symbol, unknown>, stream: unknown) {
      this[WRAPPED] = stream;
      if (!(stream instanceof GuestSocket)) return;
      for (const event of ["connect", "ready"]) stream.once(event, () => this.emit(event));
    },
  });
  Object.defineProperty(prototype, "connecting", {
    configurable: true,
    get(this: StreamWrapper & Record<symbol, unknown>) {
      return guestSocket(this)?.connecting ?? this[CONNECTING];
    },
    set(this: Record<symbol, unknown>, value: unknown) {
      this[CONNECTING] = value;
    },
  });
  const forward = (
    name: string,
    call: (socket: GuestSocket, ...args: never[]) => unknown,
  ): void => {
    const native = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value(this: StreamWrapper, ...args: never[]): unknown {
        const socket = guestSocket(this);
        return socket === undefined ? Reflect.apply(native, this, args) : call(socket, ...args);
      },
    });
  };
  const named = (address?: string, port?: number, family?: string): object =>
    address === undefined ? {} : { address, port, family };
  forward("_getsockname", (s) => named(s.localAddress, s.localPort, s.localFamily));
  forward("_getpeername", (s) => named(s.remoteAddress, s.remotePort, s.remoteFamily));
  forward("ref", (s) => s.ref());
  forward("unref", (s) => s.unref());
  forward("setNoDelay", (s, on?: boolean) => s.setNoDelay(on));
  forward("setKeepAlive", (s, on?: boolean, delay?: number) => s.setKeepAlive(on, delay));
}

export function installTls(tls: Natives["tls"]): void {
  const prototype = tls.TLSSocket.prototype as unknown as TlsInternals;
  const nativeEmitError = prototype._emitTLSError;
  prototype._emitTLSError = function emitTLSError(error: Error): void {
    if (!(this._parent instanceof GuestSocket) || !this.connecting) {
      Reflect.apply(nativeEmitError, this, [error]);
      return;
    }
    // The connection failed: that is the TLS socket's own failure.
    const own = this._tlsError(error);
    if (own !== null) this.destroy(own);
  };
  const nativeInit = prototype._init;
  prototype._init = function init(socket: unknown, wrap: unknown): void {
    Reflect.apply(nativeInit, this, [socket, wrap]);
    if (!(socket instanceof GuestSocket)) return;
    // The TLS socket itself decides what the end of the stream means.
    socket.allowHalfOpen = true;
    // Node takes a socket without a libuv handle for one that is not connected yet.
    if (!socket.connecting && !socket.destroyed) this.connecting = false;
    const below = this._handle?._parent;
    if (below !== undefined) Object.assign(below, handleMethods(socket));
  };
}
