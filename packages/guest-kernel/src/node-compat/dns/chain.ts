/** Addresses in an answer: those at the end of the CNAME chain that starts at the question. */
import { isIPv4, isIPv6 } from "node:net";
import type { Answer } from "dns-packet";

export interface AddressRecord {
  address: string;
  ttl: number;
}

const MAX_CHAIN = 16;

function same(a: string, b: string): boolean {
  return a.toLowerCase().replace(/\.$/, "") === b.toLowerCase().replace(/\.$/, "");
}

/** TTL of a record; a value with the top bit set counts as zero (RFC 2181 8). */
function ttlOf(answer: { ttl?: number | undefined }): number {
  const ttl = answer.ttl ?? 0;
  return ttl > 0x7fffffff ? 0 : ttl;
}

/** IPv4-mapped addresses as inet_ntop(3) writes them. */
function dotted(address: string): string {
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  const words = [mapped[1]!, mapped[2]!].map((word) => Number.parseInt(word, 16));
  return `::ffff:${words.flatMap((word) => [word >> 8, word & 255]).join(".")}`;
}

/** Name at the end of the chain, and the least TTL on the way. */
export function followAliases(
  answers: readonly Answer[],
  name: string,
): { name: string; ttl: number } {
  let end = name;
  let ttl = 0x7fffffff;
  for (let hops = 0; hops < MAX_CHAIN; hops++) {
    const alias = answers.find((a) => a.type === "CNAME" && same(a.name, end));
    if (alias?.type !== "CNAME") break;
    end = alias.data;
    ttl = Math.min(ttl, ttlOf(alias));
  }
  return { name: end, ttl };
}

export function addressRecords(
  answers: readonly Answer[],
  question: string,
  type: "A" | "AAAA",
): AddressRecord[] {
  const { name, ttl } = followAliases(answers, question);
  const records: AddressRecord[] = [];
  for (const answer of answers) {
    if (answer.type !== type || answer.class !== "IN" || !same(answer.name, name)) continue;
    const address = dotted(String(answer.data));
    if (!(type === "A" ? isIPv4(address) : isIPv6(address))) continue;
    records.push({ address, ttl: Math.min(ttl, ttlOf(answer)) });
  }
  return records;
}
