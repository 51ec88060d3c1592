/** Name under which an address is looked up (RFC 1035 3.5, RFC 3596 2.5). */
import { isIPv4 } from "node:net";
import { canonicalAddress } from "./hosts.ts";

/** @param address IPv4 or IPv6 */
export function reverseName(address: string): string {
  if (isIPv4(address)) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const [bare = ""] = canonicalAddress(address).split("%");
  const [head = "", tail] = bare.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  const digits = [...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join("");
  return `${Array.from(digits).reverse().join(".")}.ip6.arpa`;
}
