/**
 * Node's own sockets, taken before node-compat replaces node:net and node:dgram, and what is used
 * of them beyond their public API: descriptors and raw handles (as services/host-agent does).
 * Nothing here keeps the program alive: the guest's event loop does.
 */
import type * as dgram from "node:dgram";
import type * as net from "node:net";
import type { Server, Socket, SocketConstructorOpts } from "node:net";

/** Most bytes of one read. */
const READ_MAX = 64 * 1024;

export interface RawHandle {
  readonly fd: number;
  close(): void;
  /** Closes with a reset; TCP alone has it. */
  reset?(): void;
}

interface RawServer {
  _handle: { onconnection: (status: number, handle: RawHandle | undefined) => void } | null;
}

/** Bytes came. @returns false = stop reading until `socket.resume()` */
export type OnBytes = (data: Uint8Array) => boolean;

/** Descriptor of a socket, -1 when it has none (any more). */
export function fdOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle: RawHandle | null | undefined })._handle;
  return handle?.fd ?? -1;
}

type Lookup = (
  host: string,
  options: unknown,
  done: (error: null, address: string, family: number) => void,
) => void;

/** Addresses are literal here, and the call that uses them is over when it returns. */
const literal: Lookup = (host, _options, done) => done(null, host, host.includes(":") ? 6 : 4);

export class HostNetwork {
  private readonly Socket: typeof net.Socket;
  private readonly Server: typeof net.Server;
  private readonly listenMethod: (...args: unknown[]) => unknown;
  private readonly createDatagram: typeof dgram.createSocket;
  /** All sockets read into it, one after the other: a read is over before the next begins. */
  private readonly memory = Buffer.alloc(READ_MAX);

  constructor(natives: { net: typeof net; dgram: typeof dgram }) {
    this.Socket = natives.net.Socket;
    this.Server = natives.net.Server;
    this.listenMethod = Reflect.get(this.Server.prototype, "listen") as (
      ...args: unknown[]
    ) => unknown;
    this.createDatagram = natives.dgram.createSocket;
  }

  /**
   * A stream socket, of a descriptor or handle that it owns from then on, or of neither; it does
   * not read before it is connected or `read(0)`.
   */
  stream(of: { fd: number } | { handle: RawHandle } | object, onBytes: OnBytes): Socket {
    const socket = new this.Socket({
      ...of,
      allowHalfOpen: true,
      manualStart: true,
      onread: {
        buffer: this.memory,
        callback: (length: number) => onBytes(this.memory.subarray(0, length)),
      },
    } as unknown as SocketConstructorOpts);
    socket.unref();
    return socket;
  }

  /** Takes over a listening descriptor. */
  listen(fd: number, backlog: number, onHandle: (handle: RawHandle) => void): Server {
    const server = new this.Server();
    server.on("error", () => {});
    Reflect.apply(this.listenMethod, server, [{ fd, backlog, exclusive: true }]);
    const { _handle: handle } = server as unknown as RawServer;
    if (handle !== null) {
      handle.onconnection = (status, connection) => {
        if (status === 0 && connection !== undefined) onHandle(connection);
      };
    }
    server.unref();
    return server;
  }

  /** Takes over a bound descriptor. */
  datagram(fd: number, family: 4 | 6): dgram.Socket {
    const socket = this.createDatagram({
      type: family === 6 ? "udp6" : "udp4",
      lookup: literal as unknown as NonNullable<dgram.SocketOptions["lookup"]>,
    });
    socket.bind({ fd, exclusive: true });
    socket.unref();
    return socket;
  }
}
