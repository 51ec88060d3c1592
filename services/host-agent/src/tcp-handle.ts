/**
 * The one home of what is not public API of Node: raw TCP handles.
 *
 * `net.Server` ignores `onread` for the sockets it accepts, so accepted handles are taken before a
 * socket is made of them, and wrapped in a socket that reads straight into a ring.
 * Works on Node 20 to 26 (tried).
 */
import { type Server, Socket, type SocketConstructorOpts } from "node:net";
import { closeFd, dupFd } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";

/** A connection of the kernel's that no socket of Node's has yet. */
export interface KernelConnection {
  /** For looking at it. */
  readonly fd: number;
  /** Gives the descriptor away. @throws SysError EMFILE, ENFILE */
  take(): number;
  /** Makes a socket that reads into `target`; it does not read before `read(0)`. */
  toSocket(target: ReadTarget): Socket;
  close(): void;
}

/** A connection that the agent accepted itself. */
export function connectionOfFd(fd: number): KernelConnection {
  return {
    fd,
    take: () => fd,
    toSocket: (target) => socketOfFd(fd, target),
    close: () => void closeFd(fd),
  };
}

/** A connection that libuv accepted. */
export function connectionOfHandle(handle: unknown): KernelConnection {
  const raw = handle as RawHandle;
  let own: KernelConnection | undefined;
  return {
    fd: raw.fd,
    take() {
      if (own === undefined) {
        own = connectionOfFd(dupFd(raw.fd));
        raw.close();
      }
      return own.fd;
    },
    toSocket: (target) => own?.toSocket(target) ?? readingSocket({ handle }, target),
    close: () => (own === undefined ? raw.close() : own.close()),
  };
}

interface RawHandle {
  fd: number;
  close(): void;
  getsockname(out: object): number;
  getpeername(out: object): number;
}

interface RawServer {
  _handle: { onconnection: (status: number, handle: RawHandle | undefined) => void };
}

/** Reads into memory that the caller hands out. */
export interface ReadTarget {
  /** Next span to read into; never empty. */
  buffer(): Uint8Array;
  /** `length` bytes came; false = stop reading until `socket.resume()`. */
  filled(length: number): boolean;
}

function readingSocket(options: object, target: ReadTarget): Socket {
  return new Socket({
    ...options,
    allowHalfOpen: true,
    manualStart: true,
    onread: {
      buffer: () => target.buffer(),
      callback: (length: number) => target.filled(length),
    },
  } as unknown as SocketConstructorOpts);
}

/** A socket of a descriptor, which the socket owns from then on; it does not read by itself. */
export function socketOfFd(fd: number, target: ReadTarget): Socket {
  return readingSocket({ fd }, target);
}

/** Takes the server's connections as raw handles: `server` emits no `connection` any more. */
export function takeConnections(server: Server, onHandle: (handle: unknown) => void): void {
  (server as unknown as RawServer)._handle.onconnection = (status, handle) => {
    if (status === 0 && handle !== undefined) onHandle(handle);
  };
}

function endpoint(read: (out: object) => number): Endpoint | undefined {
  const out = {} as { address: string; port: number; family: string };
  if (read(out) !== 0) return undefined;
  return { address: out.address, port: out.port, family: out.family === "IPv6" ? 6 : 4 };
}

export function handleEndpoints(handle: unknown): { local: Endpoint; peer: Endpoint } | undefined {
  const raw = handle as RawHandle;
  const local = endpoint((out) => raw.getsockname(out));
  const peer = endpoint((out) => raw.getpeername(out));
  return local === undefined || peer === undefined ? undefined : { local, peer };
}

/** Descriptor that a server listens on, -1 when it has none. */
export function fdOfServer(server: Server): number {
  return (server as unknown as { _handle: RawHandle | null })._handle?.fd ?? -1;
}

/** Descriptor of a socket, -1 when it has none. */
export function fdOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle: RawHandle | null })._handle;
  return handle === null || handle === undefined ? -1 : handle.fd;
}
