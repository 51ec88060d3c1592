/** /etc/hosts (hosts(5)): an address, its canonical name and aliases on each line. */
import { isIP } from "node:net";

export interface HostsEntry {
  address: string;
  names: string[];
}

export function parseHosts(text: string): HostsEntry[] {
  const entries: HostsEntry[] = [];
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (isIP(address) !== 0 && names.length > 0) entries.push({ address, names });
  }
  return entries;
}

/** Addresses of a name, in the file's order. */
export function addressesOf(entries: readonly HostsEntry[], name: string): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  const addresses = new Set<string>();
  for (const { address, names } of entries) {
    if (names.some((n) => n.toLowerCase() === wanted)) addresses.add(address);
  }
  return [...addresses];
}

/** The same address whichever way it is written. */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const [bare = "", scope] = address.split("%");
  const text = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  return scope === undefined ? text : `${text}%${scope}`;
}

/** Names of an address: canonical name first. */
export function namesOf(entries: readonly HostsEntry[], address: string): string[] {
  const wanted = canonicalAddress(address);
  const names = new Set<string>();
  for (const entry of entries) {
    if (canonicalAddress(entry.address) !== wanted) continue;
    for (const name of entry.names) names.add(name);
  }
  return [...names];
}
