/**
 * node:dns over the guest's sockets: `lookup` and `lookupService` are getaddrinfo(3) and
 * getnameinfo(3) of the guest, everything else is a stub resolver on UDP and TCP.
 */
import type * as dns from "node:dns";
import { AddressResolver } from "./dns/getaddrinfo.ts";
import { makeLookup, makePromiseLookup } from "./dns/lookup.ts";
import { SystemFiles } from "./dns/system-files.ts";
import type { EventLoop } from "./event-loop.ts";

type Native = typeof dns;

export interface DnsReplacement {
  lookup: Native["lookup"];
  /** Not enumerable: the module's own object stays, and its functions are replaced. */
  promises: Record<string, unknown>;
}

export function makeDns(loop: EventLoop, native: Native): DnsReplacement {
  const files = new SystemFiles(loop.sys);
  const resolver = new AddressResolver(loop, files);
  const promises = { lookup: makePromiseLookup(native, resolver) };
  const replacement = { lookup: makeLookup(native, resolver) };
  return Object.defineProperty(replacement, "promises", { value: promises }) as DnsReplacement;
}

/** Puts the replacement in the place of the module's functions, and those of `dns/promises`. */
export function installDns(module: Native, replacement: DnsReplacement): void {
  Object.assign(module, replacement);
  Object.assign(module.promises, replacement.promises);
}
