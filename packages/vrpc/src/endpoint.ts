/**
 * An endpoint in a message: 16 bytes of IPv6 address in network order (IPv4 as ::ffff:a.b.c.d,
 * RFC 4291 2.5.5.2), u16 port, u16 family (4 or 6), both little-endian.
 */
import { isIPv4, isIPv6 } from "node:net";
import { ENDPOINT_BYTES } from "@outsock/abi";
import { MessageInvalid } from "./message.ts";

export interface Endpoint {
  /** Literal; "1.2.3.4" for family 4. Scope ids are not carried. */
  address: string;
  port: number;
  family: 4 | 6;
}

/** The 16 bytes of a literal IPv6 address. */
function parseIPv6(text: string): Uint8Array {
  const out = new Uint8Array(16);
  let literal = text;
  const percent = literal.indexOf("%");
  if (percent !== -1) literal = literal.slice(0, percent);
  const dot = literal.lastIndexOf(".");
  if (dot !== -1) {
    const colon = literal.lastIndexOf(":");
    const [a, b, c, d] = literal
      .slice(colon + 1)
      .split(".")
      .map(Number) as [number, number, number, number];
    literal = `${literal.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = "", tail] = literal.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [
    ...left,
    ...new Array<string>(8 - left.length - right.length).fill("0"),
    ...right,
  ];
  for (const [i, group] of groups.entries()) {
    const value = Number.parseInt(group, 16);
    out[i * 2] = value >> 8;
    out[i * 2 + 1] = value & 255;
  }
  return out;
}

/** Canonical text of 16 bytes (RFC 5952). */
function formatIPv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  const mapped = groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff;
  if (mapped) return `::ffff:${bytes.subarray(12, 16).join(".")}`;
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > bestLength) {
      bestStart = i;
      bestLength = n;
    }
  }
  const hex = (part: number[]): string => part.map((g) => g.toString(16)).join(":");
  if (bestStart === -1) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

/** @throws MessageInvalid when `endpoint.address` is no literal of its family */
export function encodeEndpoint(target: Uint8Array, at: number, endpoint: Endpoint): void {
  const { address, port, family } = endpoint;
  target.fill(0, at, at + 16);
  if (family === 4) {
    if (!isIPv4(address)) throw new MessageInvalid(`${address} is no IPv4 address`);
    target[at + 10] = 255;
    target[at + 11] = 255;
    target.set(address.split(".").map(Number), at + 12);
  } else {
    if (!isIPv6(address)) throw new MessageInvalid(`${address} is no IPv6 address`);
    target.set(parseIPv6(address), at);
  }
  target[at + 16] = port & 255;
  target[at + 17] = port >> 8;
  target[at + 18] = family;
  target[at + 19] = 0;
}

/** @throws MessageInvalid */
export function decodeEndpoint(source: Uint8Array, at: number): Endpoint {
  if (at + ENDPOINT_BYTES > source.length) throw new MessageInvalid("endpoint is cut off");
  const family = source[at + 18]! | (source[at + 19]! << 8);
  const port = source[at + 16]! | (source[at + 17]! << 8);
  const bytes = source.subarray(at, at + 16);
  if (family === 4) {
    for (let i = 0; i < 10; i++) {
      if (bytes[i] !== 0) throw new MessageInvalid("IPv4 endpoint is not mapped");
    }
    if (bytes[10] !== 255 || bytes[11] !== 255) {
      throw new MessageInvalid("IPv4 endpoint is not mapped");
    }
    return { address: `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`, port, family };
  }
  if (family !== 6) throw new MessageInvalid(`address family ${family} is not 4 or 6`);
  return { address: formatIPv6(bytes), port, family };
}
