/**
 * Makes Node's TLS sockets at home on a guest socket. Node wraps whatever is no libuv handle in a
 * JSStream, and that wrapper knows neither names nor options nor references.
 */
import type { Natives } from "./natives.ts";
import { GuestSocket } from "./net-socket.ts";

interface TlsInternals {
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

export function installTls(tls: Natives["tls"]): void {
  const prototype = tls.TLSSocket.prototype as unknown as TlsInternals;
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
