/** struct sockaddr_in (ip(7)) and sockaddr_in6 (ipv6(7)), both directions. */
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { AF_INET, AF_INET6 } from "@outsock/abi";
import { ERRNO, SysError } from "./libc.ts";

const SOCKADDR_IN = 16;
export const SOCKADDR_IN6 = 28;

export interface InetAddress {
  /** As inet_ntop(3) writes it; a link-local one ends in `%` and the interface's number. */
  address: string;
  port: number;
  family: 4 | 6;
}

function bytesOf4(address: string): number[] {
  return address.split(".").map(Number);
}

/** The 16 bytes of an address that isIPv6 holds for valid (RFC 4291, 2.2), without its zone. */
function bytesOf6(address: string): number[] {
  const part = (text: string): number[] =>
    text === ""
      ? []
      : text.split(":").flatMap((group) => {
          if (group.includes(".")) return bytesOf4(group);
          const value = Number.parseInt(group, 16);
          return [value >> 8, value & 0xff];
        });
  const [head = "", tail] = address.split("::");
  const left = part(head);
  const right = tail === undefined ? [] : part(tail);
  return [...left, ...new Array<number>(16 - left.length - right.length).fill(0), ...right];
}

/** The number of a zone (RFC 4007, 11.2), which is an interface's number or name. */
function scopeOf(syscall: string, zone: string): number {
  if (/^\d{1,9}$/.test(zone)) return Number(zone);
  for (const info of networkInterfaces()[zone] ?? []) {
    if (info.family === "IPv6" && info.scopeid > 0) return info.scopeid;
  }
  throw new SysError(syscall, ERRNO.ENODEV, `no interface "${zone}" with a link-local address`);
}

/** @throws SysError EINVAL (no address, no port), ENODEV (unknown zone) */
export function encodeAddress(syscall: string, address: string, port: number): Buffer {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new SysError(syscall, ERRNO.EINVAL, `port ${port} is not from 0 to 65535`);
  }
  if (isIPv4(address)) {
    const out = Buffer.alloc(SOCKADDR_IN);
    out.writeUInt16LE(AF_INET, 0);
    out.writeUInt16BE(port, 2);
    out.set(bytesOf4(address), 4);
    return out;
  }
  if (!isIPv6(address)) {
    throw new SysError(syscall, ERRNO.EINVAL, `"${address}" is no IP address`);
  }
  const [plain = "", zone] = address.split("%");
  const out = Buffer.alloc(SOCKADDR_IN6);
  out.writeUInt16LE(AF_INET6, 0);
  out.writeUInt16BE(port, 2);
  out.set(bytesOf6(plain), 8);
  if (zone !== undefined) out.writeUInt32LE(scopeOf(syscall, zone), 24);
  return out;
}

/** Text of an IPv6 address as RFC 5952 wants it (4, 5). */
function format6(bytes: Buffer): string {
  const mapped = bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((b) => b === 0);
  if (mapped) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i));
  let start = 0;
  let length = 0;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (groups[i + n] === 0) n++;
    if (n > length) [start, length] = [i, n];
  }
  const hex = (some: number[]): string => some.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** @throws SysError EAFNOSUPPORT when it is of another family */
export function decodeAddress(syscall: string, sockaddr: Buffer): InetAddress {
  const family = sockaddr.readUInt16LE(0);
  const port = sockaddr.readUInt16BE(2);
  if (family === AF_INET) return { address: sockaddr.subarray(4, 8).join("."), port, family: 4 };
  if (family !== AF_INET6) {
    throw new SysError(syscall, ERRNO.EAFNOSUPPORT, `address family ${family} is no IP`);
  }
  const scope = sockaddr.readUInt32LE(24);
  const text = format6(sockaddr.subarray(8, 24));
  return { address: scope === 0 ? text : `${text}%${scope}`, port, family: 6 };
}
