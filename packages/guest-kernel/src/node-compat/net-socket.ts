/**
 * The guest's `net.Socket`: a Duplex over a descriptor of the guest kernel, with the whole surface
 * of Node's. Behaviour follows lib/net.js of Node 20 to 26; `connect` is in net-connect.ts.
 *
 * A socket made from a handle or descriptor of the host's (a child's pipes, standard streams, the
 * inside of TLS) is Node's own: the constructor gives that back.
 */
import { AsyncResource } from "node:async_hooks";
import type { AddressInfo, Socket as NativeSocket, SocketConstructorOpts } from "node:net";
import { Duplex, type DuplexOptions } from "node:stream";
import {
  AF_INET6,
  AF_UNIX,
  ERRNO,
  IP_TOS,
  IPPROTO_IP,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from "@outsock/abi";
import type { SocketAddress } from "../net/protocol-family.ts";
import type { EventLoop } from "./event-loop.ts";
import { StreamHandle, type StreamOwner } from "./stream-handle.ts";
import { codedError, errnoException } from "./system-errors.ts";

/** Option by which a server hands over an accepted descriptor. */
export const ACCEPTED = Symbol("outsock.accepted");

export interface GuestSocketOptions extends Omit<SocketConstructorOpts, "onread"> {
  onread?: unknown;
  [ACCEPTED]?: number;
  handle?: unknown;
  highWaterMark?: number;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  pauseOnCreate?: boolean;
  manualStart?: boolean;
}

/** What a server wants to know of its sockets. */
export interface OwningServer {
  _connections: number;
  _emitCloseIfDrained?: () => void;
}

type WriteCallback = (error?: Error | null) => void;

const NODE_MAJOR = Number(process.versions.node.split(".")[0]);

function toBytes(chunk: unknown, encoding: BufferEncoding): Uint8Array {
  return typeof chunk === "string" ? Buffer.from(chunk, encoding) : (chunk as Uint8Array);
}

/**
 * `write` of a socket whose peer has ended and that does not allow half-open. Until this side has
 * ended too, which is a turn later, bytes still go out: from an "end" handler, say.
 */
function writeAfterEnd(
  this: GuestSocket,
  chunk: unknown,
  encoding?: unknown,
  callback?: unknown,
): boolean {
  if (!this.writableEnded) {
    return Duplex.prototype.write.call(
      this,
      chunk,
      encoding as BufferEncoding,
      callback as () => void,
    );
  }
  const done = typeof encoding === "function" ? encoding : callback;
  const message = "This socket has been ended by the other party";
  const error = Object.assign(new Error(message), { code: "EPIPE" });
  if (typeof done === "function") process.nextTick(done, error);
  this.destroy(error);
  return false;
}

function duplexOptions(options: GuestSocketOptions): DuplexOptions {
  return {
    ...options,
    allowHalfOpen: Boolean(options.allowHalfOpen),
    emitClose: false,
    autoDestroy: true,
    decodeStrings: false,
  } as DuplexOptions;
}

export class GuestSocket extends Duplex implements StreamOwner {
  /** Set by `installSockets`: the loop that all sockets of the program share. */
  static loop: EventLoop;
  /** Node's own class. */
  static native: typeof NativeSocket;

  declare connecting: boolean;
  /** Node's code and libraries ask for a handle of libuv's; there is none. */
  declare _handle: null;
  declare _server: OwningServer | null;
  declare server: OwningServer | null;
  declare _hadError: boolean;
  /** Node walks from a TLS socket to what it runs over. */
  declare _parent: null;
  /** @internal */
  declare _host: string | null;
  declare timeout: number | undefined;
  declare autoSelectFamilyAttemptedAddresses: string[] | undefined;
  /** @internal The descriptor's handle while there is one. */
  declare _stream: StreamHandle | undefined;
  declare private _resource: AsyncResource;
  declare private _timer: NodeJS.Timeout | undefined;
  declare private _onread:
    | { buffer: Uint8Array | (() => Uint8Array); callback: (n: number, b: Uint8Array) => boolean }
    | undefined;
  declare private _onreadBuffer: Uint8Array | undefined;
  declare private _readBefore: number;
  declare private _dispatched: number;
  declare private _pendingBytes: number;
  declare private _lastQueue: number;
  declare private _resetting: boolean;
  declare private _noDelay: boolean;
  declare private _keepAlive: boolean;
  declare private _keepAliveDelay: number;
  declare private _unrefed: boolean;
  declare private _local: SocketAddress | undefined;
  declare private _peer: SocketAddress | undefined;

  constructor(options: GuestSocketOptions = {}) {
    super(duplexOptions(options));
    this._setUp(options);
  }

  /** @internal The constructor's work, also for objects that a constructor did not make. */
  _setUp(options: GuestSocketOptions): void {
    Object.assign(this, {
      connecting: false,
      _handle: null,
      _server: null,
      server: null,
      _hadError: false,
      _parent: null,
      _host: null,
      timeout: undefined,
      autoSelectFamilyAttemptedAddresses: undefined,
      _stream: undefined,
      _timer: undefined,
      _onread: undefined,
      _onreadBuffer: undefined,
      _readBefore: 0,
      _dispatched: 0,
      _pendingBytes: 0,
      _lastQueue: 0,
      _resetting: false,
      _unrefed: false,
      _local: undefined,
      _peer: undefined,
    });
    this._resource = new AsyncResource("TCPSOCKETWRAP", { requireManualDestroy: true });
    this._noDelay = Boolean(options.noDelay);
    this._keepAlive = Boolean(options.keepAlive);
    this._keepAliveDelay = Math.floor((options.keepAliveInitialDelay ?? 0) / 1000);
    const { onread } = options;
    if (onread !== null && typeof onread === "object") {
      this._onread = onread as NonNullable<typeof this._onread>;
    }
    // A property of the object itself, as Node's: `onReadableStreamEnd`.
    this.on("end", () => {
      if (!this.allowHalfOpen) this.write = writeAfterEnd as typeof this.write;
    });
    const accepted = options[ACCEPTED];
    if (accepted !== undefined) {
      this._adopt(accepted);
      if (options.pauseOnCreate) this.pause();
      else if (!options.manualStart) this.read(0);
    }
    const { signal } = options as { signal?: AbortSignal };
    if (signal !== undefined) this._abortBy(signal);
  }

  private _abortBy(signal: AbortSignal): void {
    const abort = (): void => {
      const error = codedError(Error, "ABORT_ERR", "The operation was aborted");
      error.name = "AbortError";
      error.cause = signal.reason;
      this.destroy(error);
    };
    if (signal.aborted) {
      process.nextTick(abort);
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    this.once("close", () => signal.removeEventListener("abort", abort));
  }

  /** @internal Takes a connected or connecting descriptor over. */
  _adopt(fd: number): StreamHandle {
    const stream = new StreamHandle(GuestSocket.loop, fd, this);
    if (this._unrefed) stream.unref();
    this._stream = stream;
    this._local = undefined;
    this._peer = undefined;
    return stream;
  }

  /** @internal A destroyed socket begins another life: its counts start anew. */
  _revive(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    this._readBefore = 0;
    this._dispatched = 0;
    this._peer = undefined;
  }

  /** @internal Runs a callback of the kernel in the socket's asynchronous context. */
  _run(work: () => void): void {
    this._resource.runInAsyncScope(work);
  }

  /** @internal The connection stands. */
  _connected(): void {
    this.connecting = false;
    this._local = undefined;
    this._unrefTimer();
    if (this._noDelay) this._setNoDelay(true);
    if (this._keepAlive) this._setKeepAlive(true, this._keepAliveDelay);
    this.emit("connect");
    this.emit("ready");
    if (!this.isPaused() && this.readable) this.read(0);
  }

  // StreamOwner

  nextBuffer(): Uint8Array | undefined {
    const { _onread: onread } = this;
    if (onread === undefined) return undefined;
    this._onreadBuffer ??= typeof onread.buffer === "function" ? onread.buffer() : onread.buffer;
    return this._onreadBuffer;
  }

  onRead(data: Uint8Array): boolean {
    this._unrefTimer();
    const { _onread: onread } = this;
    let more = true;
    if (onread !== undefined) {
      const buffer = this._onreadBuffer!;
      if (typeof onread.buffer === "function") this._onreadBuffer = undefined;
      this._run(() => {
        more = onread.callback.call(this, data.length, buffer) !== false;
      });
      return more;
    }
    this._run(() => {
      more = this.push(data);
    });
    return more && !this.destroyed;
  }

  onReadEnd(status: number): void {
    this._run(() => {
      if (status < 0) {
        this.destroy(errnoException(status, "read"));
        return;
      }
      this.push(null);
      this.read(0);
    });
  }

  // Duplex

  override _read(size: number): void {
    if (this.connecting || this._stream === undefined) {
      if (!this.destroyed) this.once("connect", () => this._read(size));
      return;
    }
    this._stream.readStart();
  }

  override pause(): this {
    if (this._onread !== undefined && !this.connecting) this._stream?.readStop();
    return super.pause();
  }

  override resume(): this {
    if (this._onread !== undefined && !this.connecting) this._stream?.readStart();
    return super.resume();
  }

  override read(size?: number): unknown {
    if (this._onread !== undefined && !this.connecting && this._stream?.reading === false) {
      this._stream.readStart();
    }
    return super.read(size);
  }

  override _write(chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
    this._writeChunks([toBytes(chunk, encoding)], callback);
  }

  override _writev(
    chunks: { chunk: unknown; encoding: BufferEncoding }[],
    callback: WriteCallback,
  ): void {
    this._writeChunks(
      chunks.map(({ chunk, encoding }) => toBytes(chunk, encoding)),
      callback,
    );
  }

  private _writeChunks(chunks: Uint8Array[], callback: WriteCallback): void {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.connecting) {
      this._pendingBytes = length;
      const onConnect = (): void => {
        this.off("close", onClose);
        this._pendingBytes = 0;
        this._writeChunks(chunks, callback);
      };
      const onClose = (): void => {
        this.off("connect", onConnect);
        callback(
          codedError(
            Error,
            "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
            "Socket closed before the connection was established",
          ),
        );
      };
      this.once("connect", onConnect);
      this.once("close", onClose);
      return;
    }
    const { _stream: stream } = this;
    if (stream === undefined) {
      callback(codedError(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
      return;
    }
    this._unrefTimer();
    this._dispatched += length;
    let within = true;
    let finished = false;
    let later: ((done: () => void) => void) | undefined;
    stream.write(
      chunks.filter((chunk) => chunk.length > 0),
      (status) => {
        const done = (): void => {
          if (this.destroyed) {
            callback();
            return;
          }
          if (status < 0) {
            const error = errnoException(status, "write");
            if (within) callback(error);
            else this.destroy(error);
            if (!within) callback(error);
            return;
          }
          this._unrefTimer();
          callback();
        };
        finished = true;
        if (within) done();
        else later?.(done);
      },
    );
    within = false;
    // A write that waits goes on in the context that it was made in.
    if (!finished) later = AsyncResource.bind((done: () => void) => done());
  }

  override _final(callback: WriteCallback): void {
    const { _stream: stream } = this;
    // A socket that never connects: Node 20 waits for it, later ones do not.
    if (this.connecting || (stream === undefined && NODE_MAJOR < 22)) {
      this.once("connect", () => this._final(callback));
      return;
    }
    if (stream === undefined) {
      callback();
      return;
    }
    const result = stream.shutdown();
    if (result === 0 || result === -ERRNO.ENOTCONN) {
      const { host } = GuestSocket.loop;
      host.hold();
      // In the context of whoever ended the stream, and before the immediates that it set: libuv
      // runs the callback of a shutdown that had nothing to wait for right after the poll phase.
      GuestSocket.loop.post(() => {
        host.release();
        callback();
      });
    } else {
      callback(errnoException(result, "shutdown"));
    }
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // Node's socket has its handle from the call of `connect` on.
    const begun = this.connecting;
    this.connecting = false;
    clearTimeout(this._timer);
    this._timer = undefined;
    const { _stream: stream } = this;
    if (stream === undefined) {
      callback(error);
      const failed = Boolean(error);
      if (begun) GuestSocket.loop.host.defer(() => this._run(() => this.emit("close", failed)));
      else process.nextTick(() => this.emit("close"));
    } else {
      this._readBefore += stream.bytesRead;
      this._stream = undefined;
      const failed = Boolean(error);
      stream.close(this._resetting, () => {
        this._run(() => this.emit("close", failed));
        this._resource.emitDestroy();
      });
      this._resetting = false;
      callback(error);
    }
    const { _server: server } = this;
    if (server !== null) {
      server._connections--;
      server._emitCloseIfDrained?.();
    }
  }

  // net.Socket

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  resetAndDestroy(): this {
    if (this.connecting) {
      this.once("connect", () => this._reset());
    } else if (this._stream !== undefined) {
      this._reset();
    } else {
      this.destroy(codedError(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
    }
    return this;
  }

  private _reset(): this {
    this._resetting = true;
    return this.destroy();
  }

  get pending(): boolean {
    return this._stream === undefined || this.connecting;
  }

  get readyState(): string {
    if (this.connecting) return "opening";
    if (this.readable && this.writable) return "open";
    if (this.readable) return "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  get bufferSize(): number | undefined {
    return this._stream === undefined && !this.connecting ? undefined : this.writableLength;
  }

  get bytesRead(): number {
    return this._readBefore + (this._stream?.bytesRead ?? 0);
  }

  get _bytesDispatched(): number {
    return this._dispatched;
  }

  get bytesWritten(): number {
    const state = (
      this as unknown as { writableBuffer?: { chunk: unknown; encoding: BufferEncoding }[] }
    ).writableBuffer;
    let bytes = this._dispatched + this._pendingBytes;
    for (const { chunk, encoding } of state ?? []) bytes += toBytes(chunk, encoding).length;
    return bytes;
  }

  address(): AddressInfo | object {
    const local = this._sockname();
    if (local === undefined) return {};
    return { address: local.address, family: familyOf(local), port: local.port };
  }

  private _sockname(): SocketAddress | undefined {
    if (this._local === undefined && this._stream !== undefined) {
      const local = GuestSocket.loop.sys.getsockname(this._stream.fd);
      if (typeof local !== "number" && local.family !== AF_UNIX) this._local = local;
    }
    return this._stream === undefined ? undefined : this._local;
  }

  private _peername(): SocketAddress | undefined {
    if (this._peer === undefined && this._stream !== undefined && !this.connecting) {
      const peer = GuestSocket.loop.sys.getpeername(this._stream.fd);
      if (typeof peer !== "number" && peer.family !== AF_UNIX) this._peer = peer;
    }
    return this._peer;
  }

  get localAddress(): string | undefined {
    return this._sockname()?.address;
  }

  get localPort(): number | undefined {
    return this._sockname()?.port;
  }

  get localFamily(): string | undefined {
    const local = this._sockname();
    return local === undefined ? undefined : familyOf(local);
  }

  get remoteAddress(): string | undefined {
    return this._peername()?.address;
  }

  get remotePort(): number | undefined {
    return this._peername()?.port;
  }

  get remoteFamily(): string | undefined {
    const peer = this._peername();
    return peer === undefined ? undefined : familyOf(peer);
  }

  setNoDelay(enable?: boolean): this {
    const wanted = enable === undefined ? true : Boolean(enable);
    if (wanted === this._noDelay && this._stream !== undefined) return this;
    this._noDelay = wanted;
    if (this._stream !== undefined && !this.connecting) this._setNoDelay(wanted);
    return this;
  }

  private _setNoDelay(on: boolean): void {
    this._option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
  }

  setKeepAlive(enable?: boolean, initialDelay?: number): this {
    const wanted = Boolean(enable);
    const delay = Math.floor((initialDelay ?? 0) / 1000);
    const same = wanted === this._keepAlive && delay === this._keepAliveDelay;
    if (same && this._stream !== undefined) return this;
    this._keepAlive = wanted;
    this._keepAliveDelay = delay;
    if (this._stream !== undefined && !this.connecting) this._setKeepAlive(wanted, delay);
    return this;
  }

  private _setKeepAlive(on: boolean, delay: number): void {
    this._option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
    if (on && delay > 0) this._option(IPPROTO_TCP, TCP_KEEPIDLE, delay);
  }

  private _option(level: number, name: number, value: number): number {
    const { _stream: stream } = this;
    return stream === undefined
      ? 0
      : GuestSocket.loop.sys.setsockopt(stream.fd, level, name, value);
  }

  setTypeOfService(tos: number): this {
    const result = this._option(IPPROTO_IP, IP_TOS, tos);
    if (result < 0) throw errnoException(result, "setTypeOfService");
    return this;
  }

  setTimeout(msecs: number, callback?: () => void): this {
    if (this.destroyed) return this;
    if (!(msecs >= 0 && msecs < Infinity) || (callback && typeof callback !== "function")) {
      // Bad arguments: Node's own error.
      GuestSocket.native.prototype.setTimeout.call(new GuestSocket.native(), msecs, callback);
    }
    this.timeout = msecs;
    clearTimeout(this._timer);
    this._timer = undefined;
    if (msecs === 0) {
      if (callback !== undefined) this.removeListener("timeout", callback);
      return this;
    }
    const timer = setTimeout(() => this._onTimeout(), msecs);
    timer.unref();
    this._timer = timer;
    if (callback !== undefined) this.once("timeout", callback);
    return this;
  }

  _onTimeout(): void {
    // Bytes that moved since the last look count as activity (lib/net.js).
    const stream = this._stream;
    if (
      stream !== undefined &&
      stream.writeQueueSize > 0 &&
      this._lastQueue !== stream.writeQueueSize
    ) {
      this._lastQueue = stream.writeQueueSize;
      this._timer?.refresh();
      return;
    }
    this._timer?.refresh();
    this.emit("timeout");
  }

  _unrefTimer(): void {
    this._timer?.refresh();
  }

  ref(): this {
    this._unrefed = false;
    if (this._stream === undefined) this.once("connect", () => this._stream?.ref());
    else this._stream.ref();
    return this;
  }

  unref(): this {
    this._unrefed = true;
    this._stream?.unref();
    return this;
  }
}

export function familyOf(address: SocketAddress): "IPv4" | "IPv6" {
  return address.family === AF_INET6 ? "IPv6" : "IPv4";
}

/**
 * Makes the function that takes the place of `net.Socket`: callable without `new`, giving Node's
 * own socket where one is made of a host handle, and `instanceof` true for both.
 */
export function socketConstructor(native: typeof NativeSocket): typeof NativeSocket {
  const construct = (options: GuestSocketOptions | number | undefined, target: unknown): object => {
    if (typeof options === "number") return new native({ fd: options });
    if (options?.handle || options?.fd !== undefined) return new native(options);
    // Argument errors are Node's own.
    const invalid = options as { objectMode?: unknown; onread?: { buffer?: unknown } } | undefined;
    const objects = options as
      | { readableObjectMode?: unknown; writableObjectMode?: unknown }
      | undefined;
    if (objects?.readableObjectMode || objects?.writableObjectMode) {
      new native(options as SocketConstructorOpts);
    }
    if (invalid?.objectMode || options?.keepAliveInitialDelay !== undefined || invalid?.onread) {
      new native(options as SocketConstructorOpts);
    }
    return Reflect.construct(GuestSocket, [options ?? {}], target as new () => object) as object;
  };
  function Socket(this: unknown, options?: GuestSocketOptions): object {
    if (new.target === undefined) {
      // Node's own subclasses (TLSSocket) call the constructor on their object.
      if (this instanceof native) return Reflect.apply(native, this, [options]) as object;
      if (this instanceof GuestSocket) {
        // A subclass made by util.inherits: its object is there already.
        const given = options ?? {};
        Reflect.apply(Duplex as unknown as () => void, this, [duplexOptions(given)]);
        this._setUp(given);
        return this;
      }
      return construct(options, Socket);
    }
    return construct(options, new.target);
  }
  Object.setPrototypeOf(Socket, Duplex);
  Socket.prototype = GuestSocket.prototype;
  Object.defineProperty(GuestSocket.prototype, "constructor", {
    value: Socket,
    writable: true,
    configurable: true,
  });
  Object.defineProperty(Socket, Symbol.hasInstance, {
    value(this: unknown, object: unknown): boolean {
      if (this !== Socket) return Function.prototype[Symbol.hasInstance].call(this, object);
      return object instanceof GuestSocket || object instanceof native;
    },
  });
  return Socket as unknown as typeof NativeSocket;
}
