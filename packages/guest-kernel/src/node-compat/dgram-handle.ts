/**
 * A UDP socket of the guest, in the shape of the handle under node:dgram's Socket (libuv's uv_udp_t
 * as Node binds it): results are 0 or more, or a negative errno, and what libuv does on the way
 * (lazy socket(2), deferred bind, a send queue after EAGAIN, 32 datagrams a wake-up) is done here.
 */
import { AsyncResource } from "node:async_hooks";
import { isIPv4, isIPv6 } from "node:net";
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "@outsock/abi";
import type { SocketAddress } from "../net/protocol-family.ts";
import { text, UdpOptions, UV_UDP_REUSEADDR } from "./dgram-options.ts";
import type { FdHandler } from "./event-loop.ts";

/** Flags of uv_udp_bind (uv.h). */
const UV_UDP_IPV6ONLY = 1;
const UV_UDP_REUSEPORT = 64;

/** Datagrams read at a wake-up before other handles get their turn (libuv, uv__udp_recvmsg). */
const RECEIVE_BATCH = 32;

export interface RemoteInfo {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
  size?: number;
}

/** What node:dgram passes to send, and is told about when the datagram is gone. */
export interface SendRequest {
  oncomplete?: (error: number, sent: number) => void;
}

interface Waiting {
  request: SendRequest;
  data: Uint8Array;
  to: SocketAddress | undefined;
}

type OnMessage = (
  result: number,
  handle: UdpHandle,
  data: Buffer | undefined,
  from: RemoteInfo | undefined,
) => void;

function join(list: readonly ArrayBufferView[], count: number): Uint8Array {
  const views = list
    .slice(0, count)
    .map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return views.length === 1 ? views[0]! : Buffer.concat(views);
}

export class UdpHandle extends UdpOptions implements FdHandler {
  /** Resolves an address; node:dgram calls it before bind, connect and send. */
  lookup: ((address: string, callback: (...args: unknown[]) => void) => unknown) | undefined;
  onmessage: OnMessage | undefined;
  onerror: ((...args: unknown[]) => void) | undefined;
  /** The callbacks' asynchronous context is that of the socket's creation, as a native handle's. */
  private readonly context = new AsyncResource("UDPWRAP", { requireManualDestroy: true });
  private watched = false;
  private bound = false;
  private receiving = false;
  private referenced = true;
  private holding = false;
  private closed = false;
  private readonly waiting: Waiting[] = [];

  get fd(): number {
    return this.closed ? -ERRNO.EBADF : this.descriptor;
  }

  // Addresses

  private socketAddress(ip: unknown, port: unknown): SocketAddress | undefined {
    const address = text(ip);
    if (!(this.domain === AF_INET ? isIPv4(address) : isIPv6(address))) return undefined;
    return { family: this.domain, address, port: (Number(port) >>> 0) & 0xffff };
  }

  private name(address: SocketAddress | number, out: object): number {
    if (typeof address === "number") return address;
    const family = address.family === AF_INET6 ? "IPv6" : "IPv4";
    Object.assign(out, { address: address.address, family, port: address.port });
    return 0;
  }

  getsockname(out: object): number {
    if (this.descriptor === -1) return -ERRNO.EBADF;
    return this.name(this.loop.sys.getsockname(this.descriptor), out);
  }

  getpeername(out: object): number {
    if (this.descriptor === -1) return -ERRNO.EBADF;
    return this.name(this.loop.sys.getpeername(this.descriptor), out);
  }

  // Binding and connecting

  private socketOnce(): number {
    if (this.closed) return -ERRNO.EBADF;
    if (this.descriptor !== -1) return 0;
    const fd = this.loop.sys.socket(this.domain, SOCK_DGRAM, 0);
    if (fd < 0) return fd;
    this.descriptor = fd;
    return 0;
  }

  bind(ip: unknown, port: unknown, flags: number): number {
    const address = this.socketAddress(ip, port);
    if (address === undefined) return -ERRNO.EINVAL;
    if ((flags & UV_UDP_IPV6ONLY) !== 0 && this.domain !== AF_INET6) return -ERRNO.EINVAL;
    const opened = this.socketOnce();
    if (opened !== 0) return opened;
    for (const [flag, level, name] of [
      [UV_UDP_REUSEADDR, SOL_SOCKET, SO_REUSEADDR],
      [UV_UDP_REUSEPORT, SOL_SOCKET, SO_REUSEPORT],
      [UV_UDP_IPV6ONLY, IPPROTO_IPV6, IPV6_V6ONLY],
    ] as const) {
      if ((flags & flag) === 0) continue;
      const error = this.loop.sys.setsockopt(this.descriptor, level, name, 1);
      if (error !== 0) return error;
    }
    const error = this.loop.sys.bind(this.descriptor, address);
    if (error === 0) this.bound = true;
    return error;
  }

  protected override bindAny(flags = 0): number {
    if (this.bound) return 0;
    return this.bind(this.domain === AF_INET ? "0.0.0.0" : "::", 0, flags);
  }

  connect(ip: unknown, port: unknown): number {
    const address = this.socketAddress(ip, port);
    if (address === undefined) return -ERRNO.EINVAL;
    const bound = this.bindAny();
    return bound === 0 ? this.loop.sys.connect(this.descriptor, address) : bound;
  }

  disconnect(): number {
    return this.descriptor === -1 ? -ERRNO.ENOTCONN : this.loop.sys.disconnect(this.descriptor);
  }

  /** A descriptor of the host is none of the guest's. */
  open(_fd: number): number {
    return -ERRNO.EOPNOTSUPP;
  }

  // Sending

  /**
   * Unconnected: (request, list, count, port, ip, hasCallback); connected: (request, list, count,
   * hasCallback).
   * @returns bytes sent + 1; 0 when `request.oncomplete` will tell; a negative errno
   */
  send(request: SendRequest, list: readonly ArrayBufferView[], ...rest: unknown[]): number {
    const [count, port, ip] = rest as [number, unknown, unknown];
    let to: SocketAddress | undefined;
    if (rest.length > 2) {
      to = this.socketAddress(ip, port);
      if (to === undefined) return -ERRNO.EINVAL;
    }
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    const data = join(list, count);
    if (this.waiting.length === 0) {
      const sent = this.loop.sys.sendto(this.descriptor, data, to);
      if (sent >= 0) return data.length + 1;
      if (sent !== -ERRNO.EAGAIN) return sent;
    }
    this.waiting.push({ request, data, to });
    this.watch();
    this.keepAlive();
    return 0;
  }

  private flush(): void {
    let first = this.waiting[0];
    while (first !== undefined) {
      const sent = this.loop.sys.sendto(this.descriptor, first.data, first.to);
      if (sent === -ERRNO.EAGAIN) return;
      this.waiting.shift();
      this.complete(first, Math.min(sent, 0));
      first = this.waiting[0];
    }
    this.keepAlive();
  }

  private complete({ request, data }: Waiting, error: number): void {
    if (request.oncomplete === undefined) return;
    this.context.runInAsyncScope(request.oncomplete, request, error, data.length);
    this.loop.host.tick();
  }

  getSendQueueSize(): number {
    return this.waiting.reduce((bytes, { data }) => bytes + data.length, 0);
  }

  getSendQueueCount(): number {
    return this.waiting.length;
  }

  // Receiving

  recvStart(): number {
    const bound = this.bindAny();
    if (bound !== 0) return bound;
    this.receiving = true;
    if (!this.watch() && this.loop.sys.readable(this.descriptor)) this.receiveLater();
    this.keepAlive();
    return 0;
  }

  recvStop(): number {
    this.receiving = false;
    this.keepAlive();
    return 0;
  }

  /** @returns false when the loop watches it already */
  private watch(): boolean {
    if (this.watched) return false;
    this.watched = true;
    this.loop.add(this.descriptor, this);
    return true;
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.flush();
    if ((events & (EPOLLIN | EPOLLERR)) !== 0) this.receive();
  }

  private receiveLater(): void {
    this.loop.host.defer(() => this.receive());
  }

  private receive(): void {
    let left = RECEIVE_BATCH;
    try {
      while (this.receiving && left > 0) {
        const datagram = this.loop.sys.recvfrom(this.descriptor);
        if (datagram === -ERRNO.EAGAIN) return;
        left--;
        if (left < RECEIVE_BATCH - 1) this.loop.host.tick();
        if (typeof datagram === "number") this.deliver(datagram, undefined, undefined);
        else {
          const from = {} as RemoteInfo;
          this.name(datagram.from, from);
          this.deliver(datagram.data.length, datagram.data, from);
        }
      }
    } finally {
      // Edge-triggered: what the batch or an exception left behind makes no event of its own.
      if (this.receiving && this.loop.sys.readable(this.descriptor)) this.receiveLater();
    }
  }

  private deliver(result: number, data: Buffer | undefined, from: RemoteInfo | undefined): void {
    const { onmessage } = this;
    if (onmessage === undefined) return;
    this.context.runInAsyncScope(onmessage, this, result, this, data, from);
  }

  // Life

  ref(): void {
    this.referenced = true;
    this.keepAlive();
  }

  unref(): void {
    this.referenced = false;
    this.keepAlive();
  }

  hasRef(): boolean {
    return this.referenced && !this.closed;
  }

  getAsyncId(): number {
    return this.context.asyncId();
  }

  /** An active handle that is referenced keeps the program alive (libuv, "handle is active"). */
  private keepAlive(): void {
    const active = this.receiving || this.waiting.length > 0;
    const hold = active && this.referenced && !this.closed;
    if (hold === this.holding) return;
    this.holding = hold;
    if (hold) this.loop.host.hold();
    else this.loop.host.release();
  }

  close(callback?: () => void): void {
    if (this.closed) return;
    this.closed = true;
    this.receiving = false;
    if (this.descriptor !== -1) {
      if (this.watched) this.loop.remove(this.descriptor);
      this.loop.sys.close(this.descriptor);
      this.descriptor = -1;
    }
    const cancelled = this.waiting.splice(0);
    this.keepAlive();
    if (cancelled.length === 0 && callback === undefined) return;
    this.loop.host.defer(() => {
      for (const waiting of cancelled) this.complete(waiting, -ERRNO.ECANCELED);
      callback?.();
    });
  }
}
