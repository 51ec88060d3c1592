/**
 * node:dgram over the guest's sockets.
 *
 * Node's own Socket is kept, with its argument checks, its states, its queue and its errors; only
 * the handle under it, which Node makes in the constructor and which has no descriptor before the
 * first bind, is taken out and a `UdpHandle` put in its place. So order of events and errors are
 * those of the very Node that runs, not of a copy.
 */
import type { Socket as DgramSocket } from "node:dgram";
import { EventEmitter } from "node:events";
import { AF_INET, AF_INET6 } from "@outsock/abi";
import { UdpHandle } from "./dgram-handle.ts";
import type { EventLoop } from "./event-loop.ts";

type Dgram = typeof import("node:dgram");

/** dns.lookup, as node:dgram calls it. */
export type DgramLookup = (
  hostname: string,
  family: number,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
) => unknown;

export interface DgramReplacement {
  Socket: Dgram["Socket"];
  createSocket: Dgram["createSocket"];
}

/** The part of a native handle that is used: enough to know it and to put another in its place. */
interface NativeHandle {
  lookup: UdpHandle["lookup"];
  recvStart(): number;
  close(): void;
}

interface SocketState {
  handle: NativeHandle | UdpHandle | null;
}

function isState(value: unknown): value is SocketState {
  return typeof value === "object" && value !== null && "handle" in value && "bindState" in value;
}

/** State of a socket, which Node keeps under a symbol of its own. */
function stateOf(socket: object): SocketState {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    const value = (socket as Record<symbol, unknown>)[symbol];
    if (isState(value)) return value;
  }
  const error: NodeJS.ErrnoException = new Error(
    `node:dgram of Node.js ${process.version} keeps its handle where Outsock does not find it`,
  );
  error.code = "ERR_OUTSOCK_UNSUPPORTED";
  throw error;
}

/** What a `bind` of a cluster's worker asks of the primary, asked of the guest kernel instead. */
function exclusive(port: unknown, address: unknown): unknown[] {
  if (typeof port !== "object" || port === null) {
    return [{ port, address: typeof address === "function" ? "" : address, exclusive: true }];
  }
  const options = port as { port?: unknown; address?: unknown; fd?: unknown; recvStart?: unknown };
  if (typeof options.recvStart === "function") return [port];
  return [{ port: options.port, address: options.address, fd: options.fd, exclusive: true }];
}

export function makeDgram(loop: EventLoop, native: Dgram, lookup: DgramLookup): DgramReplacement {
  const NativeSocket = native.Socket as unknown as (
    this: DgramSocket,
    type: unknown,
    listener: unknown,
  ) => void;

  function adopt(socket: DgramSocket, ownLookup: boolean): void {
    const state = stateOf(socket);
    const old = state.handle;
    // An aborted signal closes the socket in the constructor.
    if (old === null) return;
    const family = (socket as DgramSocket & { type: string }).type === "udp6" ? 6 : 4;
    const handle = new UdpHandle(loop, family === 6 ? AF_INET6 : AF_INET);
    const anyAddress = family === 6 ? "::1" : "127.0.0.1";
    handle.lookup = ownLookup
      ? old.lookup
      : (address, callback) => lookup(address || anyAddress, family, callback);
    // The owner, under another symbol of Node's.
    for (const symbol of Object.getOwnPropertySymbols(old)) {
      const value = (old as unknown as Record<symbol, unknown>)[symbol];
      if (value === socket) Object.assign(handle, { [symbol]: socket });
    }
    state.handle = handle;
    old.close();
  }

  function Socket(this: DgramSocket, type: unknown, listener: unknown): void {
    NativeSocket.call(this, type, listener);
    const options = typeof type === "object" && type !== null ? type : {};
    adopt(this, (options as { lookup?: unknown }).lookup !== undefined);
  }
  Object.setPrototypeOf(Socket, EventEmitter);
  // Not a child of the native prototype: what passes sockets to other processes must not take a
  // guest's socket for one of the host's.
  Socket.prototype = Object.create(
    EventEmitter.prototype,
    Object.getOwnPropertyDescriptors(native.Socket.prototype),
  );
  const { bind: nativeBind } = native.Socket.prototype as unknown as {
    bind: (this: DgramSocket, ...args: unknown[]) => DgramSocket;
  };
  Object.defineProperties(Socket.prototype, {
    constructor: { value: Socket, writable: true, configurable: true },
    bind: {
      value: function bind(this: DgramSocket, ...args: unknown[]): DgramSocket {
        const callback = args.at(-1);
        const [first, ...rest] = exclusive(args[0], args[1]);
        return nativeBind.call(this, first, ...rest, callback);
      },
      writable: true,
      configurable: true,
      enumerable: true,
    },
  });

  const Constructor = Socket as unknown as Dgram["Socket"];
  const createSocket = function createSocket(type: unknown, listener: unknown): DgramSocket {
    return new (Constructor as unknown as new (type: unknown, listener: unknown) => DgramSocket)(
      type,
      listener,
    );
  };
  return { Socket: Constructor, createSocket: createSocket as Dgram["createSocket"] };
}
