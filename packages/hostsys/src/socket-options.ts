/** setsockopt(2) and its numbers: socket(7), tcp(7), ip(7), ipv6(7). Same on x86_64 and arm64. */
import { SO_LINGER, SO_REUSEADDR, SOL_SOCKET } from "@outsock/abi";
import { check, libc } from "./libc.ts";

export {
  IP_ADD_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_BROADCAST,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from "@outsock/abi";

export const SO_PEERCRED = 17;
/** A bound address takes no port until connect(2): many more outgoing connections. */
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPV6_UNICAST_HOPS = 16;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_HOPS = 18;
export const IPV6_MULTICAST_LOOP = 19;

type SetCall = (fd: number, level: number, name: number, value: Int32Array, n: number) => number;
type GetCall = (fd: number, level: number, name: number, value: Buffer, n: Uint32Array) => number;

function set(fd: number, level: number, name: number, value: Int32Array): void {
  const call = libc<SetCall>(
    "int setsockopt(int fd, int level, int name, const void *value, unsigned int length)",
  );
  check("setsockopt", call(fd, level, name, value, value.byteLength));
}

/** @throws SysError ENOPROTOOPT, EINVAL, EACCES, EPERM, EBADF, ENOTSOCK */
export function setsockoptInt(fd: number, level: number, name: number, value: number): void {
  set(fd, level, name, new Int32Array([value]));
}

/**
 * SO_LINGER: with `on` and 0 seconds, close(2) resets the connection. @param seconds 0 on
 * @throws SysError EBADF, ENOTSOCK
 */
export function setLinger(fd: number, on: boolean, seconds: number): void {
  set(fd, SOL_SOCKET, SO_LINGER, new Int32Array([on ? 1 : 0, seconds]));
}

/** The first `length` bytes of an option; bytes that the kernel does not set are 0. */
export function getsockoptBytes(fd: number, level: number, name: number, length: number): Buffer {
  const call = libc<GetCall>(
    "int getsockopt(int fd, int level, int name, void *value, void *length)",
  );
  const value = Buffer.alloc(length);
  check("getsockopt", call(fd, level, name, value, new Uint32Array([length])));
  return value;
}

/**
 * An option that is an int. SO_ERROR is a positive errno, 0 for none, and is cleared by reading.
 * @throws SysError ENOPROTOOPT, EBADF, ENOTSOCK
 */
export function getsockoptInt(fd: number, level: number, name: number): number {
  return getsockoptBytes(fd, level, name, 4).readInt32LE(0);
}

const IPPROTO_TCP_LEVEL = 6;
const TCP_REPAIR = 19;
const TCP_REPAIR_QUEUE = 20;
const TCP_QUEUE_SEQ = 21;
const TCP_REPAIR_ON = 1;
const TCP_REPAIR_OFF_NO_WP = -1;
const TCP_RECV_QUEUE = 1;
const TCP_SEND_QUEUE = 2;

/**
 * Sequence numbers of an established connection: of the next byte to be written, and of the next
 * one to be received (tcp(7) has no word of it: net/ipv4/tcp.c, do_tcp_getsockopt).
 * - Repair mode clears SO_REUSEADDR when it is left; it is set again here.
 * @throws SysError EPERM (needs CAP_NET_ADMIN where the socket is), EINVAL (not established)
 */
export function tcpSequences(fd: number): { send: number; receive: number } {
  const level = IPPROTO_TCP_LEVEL;
  setsockoptInt(fd, level, TCP_REPAIR, TCP_REPAIR_ON);
  try {
    setsockoptInt(fd, level, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
    const send = getsockoptInt(fd, level, TCP_QUEUE_SEQ) >>> 0;
    setsockoptInt(fd, level, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
    const receive = getsockoptInt(fd, level, TCP_QUEUE_SEQ) >>> 0;
    return { send, receive };
  } finally {
    // Without a window probe: the peer must see nothing of this.
    setsockoptInt(fd, level, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
    setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  }
}
