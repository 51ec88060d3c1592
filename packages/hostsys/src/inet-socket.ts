/** Real TCP and UDP sockets, made and named synchronously: socket(2), bind(2), listen(2), ip(7). */
import { isIPv4, isIPv6 } from "node:net";
import { check, lastErrno, libc, SysError } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const ENOTCONN = 107;
const EINVAL = 22;

export interface InetAddress {
  address: string;
  port: number;
  family: 4 | 6;
}

/** @throws SysError EMFILE, EACCES (denied), EAFNOSUPPORT */
export function inetSocket(type: "tcp" | "udp", options: { family?: 4 | 6 } = {}): number {
  const call = libc<(d: number, t: number, p: number) => number>(
    "int socket(int domain, int type, int protocol)",
  );
  const kind = type === "tcp" ? SOCK_STREAM : SOCK_DGRAM;
  const domain = options.family === 6 ? AF_INET6 : AF_INET;
  return check("socket", call(domain, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

function groupsOf(address: string): number[] {
  const url = new URL(`http://[${address.replace(/%.*$/, "")}]/`).hostname.slice(1, -1);
  const [head = "", tail] = url.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const fill = new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...fill, ...right].map((group) => Number.parseInt(group, 16));
}

function encode(address: string, port: number): Buffer {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new SysError("bind", EINVAL, `port ${port} is not from 0 to 65535`, "EINVAL");
  }
  if (isIPv4(address)) {
    const out = Buffer.alloc(16);
    out.writeUInt16LE(AF_INET, 0);
    out.writeUInt16BE(port, 2);
    out.set(address.split(".").map(Number), 4);
    return out;
  }
  if (!isIPv6(address)) {
    throw new SysError("bind", EINVAL, `"${address}" is no IP address`, "EINVAL");
  }
  const out = Buffer.alloc(28);
  out.writeUInt16LE(AF_INET6, 0);
  out.writeUInt16BE(port, 2);
  for (const [i, group] of groupsOf(address).entries()) out.writeUInt16BE(group, 8 + i * 2);
  return out;
}

function decode(buffer: Buffer): InetAddress {
  const port = buffer.readUInt16BE(2);
  if (buffer.readUInt16LE(0) === AF_INET) {
    return { address: buffer.subarray(4, 8).join("."), port, family: 4 };
  }
  const groups: string[] = [];
  for (let i = 8; i < 24; i += 2) groups.push(buffer.readUInt16BE(i).toString(16));
  return {
    address: new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1),
    port,
    family: 6,
  };
}

/** @throws SysError EADDRINUSE, EADDRNOTAVAIL, EACCES */
export function bindInet(fd: number, address: string, port: number): void {
  const call = libc<(fd: number, address: Buffer, length: number) => number>(
    "int bind(int fd, const void *address, unsigned int length)",
  );
  const encoded = encode(address, port);
  check("bind", call(fd, encoded, encoded.length));
}

/** @throws SysError EADDRINUSE */
export function listenFd(fd: number, backlog: number): void {
  check(
    "listen",
    libc<(fd: number, n: number) => number>("int listen(int fd, int backlog)")(fd, backlog),
  );
}

type NameCall = (fd: number, address: Buffer, length: Uint32Array) => number;

export function getsockname(fd: number): InetAddress {
  const buffer = Buffer.alloc(28);
  const call = libc<NameCall>("int getsockname(int fd, void *address, void *length)");
  check("getsockname", call(fd, buffer, new Uint32Array([28])));
  return decode(buffer);
}

/** @returns null when the socket is not connected */
export function getpeername(fd: number): InetAddress | null {
  const buffer = Buffer.alloc(28);
  const call = libc<NameCall>("int getpeername(int fd, void *address, void *length)");
  const result = call(fd, buffer, new Uint32Array([28]));
  if (result < 0 && lastErrno() === ENOTCONN) return null;
  check("getpeername", result);
  return decode(buffer);
}

/** @throws SysError ENOPROTOOPT, EINVAL, EBADF */
export function setsockoptInt(fd: number, level: number, name: number, value: number): void {
  const call = libc<
    (fd: number, level: number, name: number, value: Int32Array, length: number) => number
  >("int setsockopt(int fd, int level, int name, const void *value, unsigned int length)");
  check("setsockopt", call(fd, level, name, new Int32Array([value]), 4));
}

/** @throws SysError ENOPROTOOPT, EBADF */
export function getsockoptInt(fd: number, level: number, name: number): number {
  const call = libc<
    (fd: number, level: number, name: number, value: Int32Array, length: Uint32Array) => number
  >("int getsockopt(int fd, int level, int name, void *value, void *length)");
  const value = new Int32Array(1);
  check("getsockopt", call(fd, level, name, value, new Uint32Array([4])));
  return value[0]!;
}
