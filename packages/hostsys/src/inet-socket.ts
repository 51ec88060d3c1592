/** Real TCP and UDP sockets, made and named synchronously: socket(2), bind(2), listen(2). */
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import { waitWritable } from "./descriptors.ts";
import { decodeAddress, encodeAddress, type InetAddress, SOCKADDR_IN6 } from "./inet-address.ts";
import { check, ERRNO, lastErrno, libc, sysError } from "./libc.ts";
import { getsockoptInt, SO_ERROR, SOL_SOCKET } from "./socket-options.ts";

const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;

/**
 * socket(2), nonblocking and closed on exec; IPv4 unless `family` is 6.
 * @throws SysError EMFILE, ENFILE, EACCES (denied by seccomp), EAFNOSUPPORT (no IPv6)
 */
export function inetSocket(type: "tcp" | "udp", opts: { family?: 4 | 6 } = {}): number {
  const call = libc<(d: number, t: number, p: number) => number>(
    "int socket(int domain, int type, int protocol)",
  );
  const kind = type === "tcp" ? SOCK_STREAM : SOCK_DGRAM;
  const domain = opts.family === 6 ? AF_INET6 : AF_INET;
  return check("socket", call(domain, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/**
 * bind(2). @param port 0 = any free one
 * @throws SysError EADDRINUSE, EADDRNOTAVAIL, EACCES (port below 1024), EINVAL (bound already, or
 *   no address), EAFNOSUPPORT (the socket is of the other family), ENODEV (zone)
 */
export function bindInet(fd: number, address: string, port: number): void {
  const call = libc<(fd: number, address: Buffer, length: number) => number>(
    "int bind(int fd, const void *address, unsigned int length)",
  );
  const encoded = encodeAddress("bind", address, port);
  check("bind", call(fd, encoded, encoded.length));
}

/** listen(2). @throws SysError EADDRINUSE, ENOTSUP (UDP; EOPNOTSUPP is the same number), EBADF, ENOTSOCK */
export function listenFd(fd: number, backlog: number): void {
  const call = libc<(fd: number, n: number) => number>("int listen(int fd, int backlog)");
  check("listen", call(fd, backlog));
}

/**
 * connect(2) of a nonblocking TCP socket, then one look whether it stands: over loopback it does
 * by the time the call returns.
 * @returns "connected", "pending" (it goes on in the background), or a positive errno
 */
export function connectInet(
  fd: number,
  address: string,
  port: number,
): "connected" | "pending" | number {
  const call = libc<(fd: number, address: Buffer, length: number) => number>(
    "int connect(int fd, const void *address, unsigned int length)",
  );
  const encoded = encodeAddress("connect", address, port);
  if (call(fd, encoded, encoded.length) === 0) return "connected";
  const errno = lastErrno();
  if (errno !== ERRNO.EINPROGRESS && errno !== ERRNO.EINTR) return errno;
  if (!waitWritable(fd, 0)) return "pending";
  const failed = getsockoptInt(fd, SOL_SOCKET, SO_ERROR);
  return failed === 0 ? "connected" : failed;
}

/**
 * accept4(2), nonblocking and closed on exec.
 * @returns null when nobody waits (EAGAIN), or who waited is gone already
 * @throws SysError EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL (does not listen), EBADF
 */
export function acceptInet(fd: number): { fd: number; peer: InetAddress } | null {
  const call = libc<(fd: number, address: Buffer, length: Uint32Array, flags: number) => number>(
    "int accept4(int fd, void *address, void *length, int flags)",
  );
  const buffer = Buffer.alloc(SOCKADDR_IN6);
  const accepted = call(fd, buffer, new Uint32Array([SOCKADDR_IN6]), SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.EAGAIN || errno === ERRNO.ECONNABORTED || errno === ERRNO.EINTR)
      return null;
    throw sysError("accept4", errno);
  }
  return { fd: accepted, peer: decodeAddress("accept4", buffer) };
}

type NameCall = (fd: number, address: Buffer, length: Uint32Array) => number;

/**
 * getsockname(2): `0.0.0.0` or `::` and port 0 of a socket that is not bound.
 * @throws SysError EBADF, ENOTSOCK, EAFNOSUPPORT (no IP socket)
 */
export function getsockname(fd: number): InetAddress {
  const call = libc<NameCall>("int getsockname(int fd, void *address, void *length)");
  const buffer = Buffer.alloc(SOCKADDR_IN6);
  check("getsockname", call(fd, buffer, new Uint32Array([SOCKADDR_IN6])));
  return decodeAddress("getsockname", buffer);
}

/**
 * getpeername(2). @returns null when the socket is not connected
 * @throws SysError EBADF, ENOTSOCK, EAFNOSUPPORT (no IP socket)
 */
export function getpeername(fd: number): InetAddress | null {
  const call = libc<NameCall>("int getpeername(int fd, void *address, void *length)");
  const buffer = Buffer.alloc(SOCKADDR_IN6);
  if (call(fd, buffer, new Uint32Array([SOCKADDR_IN6])) < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.ENOTCONN) return null;
    throw sysError("getpeername", errno);
  }
  return decodeAddress("getpeername", buffer);
}
