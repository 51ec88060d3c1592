/** Socket options of a UDP handle, with the ranges that libuv checks (src/unix/udp.c). */
import { isIPv4, isIPv6 } from "node:net";
import { getSystemErrorMap } from "node:util";
import {
  AF_INET,
  AF_INET6,
  ERRNO,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  SO_BROADCAST,
  SO_RCVBUF,
  SO_SNDBUF,
  SOL_SOCKET,
} from "@outsock/abi";
import type { EventLoop } from "./event-loop.ts";

/** Flag of uv_udp_bind (uv.h). */
export const UV_UDP_REUSEADDR = 4;

/** linux/in6.h. */
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;

/** Anything but a string is no address. */
export const text = (value: unknown): string => (typeof value === "string" ? value : "");

export abstract class UdpOptions {
  protected readonly loop: EventLoop;
  protected readonly domain: number;
  protected descriptor = -1;

  constructor(loop: EventLoop, domain: number) {
    this.loop = loop;
    this.domain = domain;
  }

  /** Binds to a port that the kernel chooses, as libuv does before the first use. */
  protected abstract bindAny(flags?: number): number;

  private setOption(level: number, name: number, value: number): number {
    if (this.descriptor === -1) return -ERRNO.EBADF;
    return this.loop.sys.setsockopt(this.descriptor, level, name, value);
  }

  private setIpOption(name4: number, name6: number, value: number): number {
    return this.domain === AF_INET
      ? this.setOption(IPPROTO_IP, name4, value)
      : this.setOption(IPPROTO_IPV6, name6, value);
  }

  setBroadcast(on: number): number {
    return this.setOption(SOL_SOCKET, SO_BROADCAST, on);
  }

  setTTL(ttl: number): number {
    const value = ttl | 0;
    if (value < 1 || value > 255) return -ERRNO.EINVAL;
    return this.setIpOption(IP_TTL, IPV6_UNICAST_HOPS, value);
  }

  setMulticastTTL(ttl: number): number {
    const value = ttl | 0;
    if (value < 0 || value > 255) return -ERRNO.EINVAL;
    return this.setIpOption(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, value);
  }

  setMulticastLoopback(on: number): number {
    return this.setIpOption(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
  }

  setMulticastInterface(address: string): number {
    if (isIPv4(address)) {
      // struct in_addr: network byte order in memory, so little-endian as an integer.
      const value = Buffer.from(address.split(".").map(Number)).readInt32LE();
      return this.setOption(IPPROTO_IP, IP_MULTICAST_IF, value);
    }
    if (!isIPv6(address)) return -ERRNO.EINVAL;
    // The interface is the scope, by index; a guest has the loopback (1) and one other (2).
    const index = /%(?:lo|1)$/.test(address) ? 1 : address.includes("%") ? 2 : 0;
    return this.setOption(IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
  }

  private membership(enter: boolean, address: string, via: string | undefined): number {
    const family = isIPv4(address) ? AF_INET : isIPv6(address) ? AF_INET6 : 0;
    if (family === 0) return -ERRNO.EINVAL;
    const bound = this.bindAny(UV_UDP_REUSEADDR);
    if (bound !== 0) return bound;
    if (family !== this.domain) return -ERRNO.EINVAL;
    if (via !== undefined && !(family === AF_INET ? isIPv4(via) : isIPv6(via))) {
      return -ERRNO.EINVAL;
    }
    return this.loop.sys.membership(this.descriptor, enter, address, via);
  }

  addMembership(group: unknown, via?: unknown): number {
    return this.membership(true, text(group), via == null ? undefined : text(via));
  }

  dropMembership(group: unknown, via?: unknown): number {
    return this.membership(false, text(group), via == null ? undefined : text(via));
  }

  /** Source-specific multicast (RFC 4607) is not among the guest kernel's system calls. */
  addSourceSpecificMembership(): number {
    return -ERRNO.EOPNOTSUPP;
  }

  dropSourceSpecificMembership(): number {
    return -ERRNO.EOPNOTSUPP;
  }

  /** Size 0 reads. @returns the size; undefined when `failure` was filled in */
  bufferSize(size: number, receive: boolean, failure: object): number | undefined {
    const error = (errno: number): undefined => {
      const [code, message] = getSystemErrorMap().get(errno) ?? [`E${-errno}`, "unknown error"];
      const syscall = receive ? "uv_recv_buffer_size" : "uv_send_buffer_size";
      Object.assign(failure, { errno, code, message, syscall });
    };
    if ((size | 0) !== size) return error(-ERRNO.EINVAL);
    if (this.descriptor === -1) return error(-ERRNO.EBADF);
    const name = receive ? SO_RCVBUF : SO_SNDBUF;
    if (size === 0) {
      const { result, value } = this.loop.sys.getsockopt(this.descriptor, SOL_SOCKET, name);
      return result < 0 ? error(result) : value;
    }
    const result = this.setOption(SOL_SOCKET, name, size);
    return result < 0 ? error(result) : size;
  }
}
