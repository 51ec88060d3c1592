/**
 * node:dns over the guest's sockets: `lookup` and `lookupService` are getaddrinfo(3) and
 * getnameinfo(3) of the guest, everything else is a stub resolver on UDP and TCP.
 */
import type * as dns from "node:dns";
import { Channel, type NativeChannel } from "./dns/channel.ts";
import { AddressResolver } from "./dns/getaddrinfo.ts";
import { makeLookup, makePromiseLookup } from "./dns/lookup.ts";
import { makeLookupService, makePromiseLookupService, NameResolver } from "./dns/lookup-service.ts";
import { SystemFiles } from "./dns/system-files.ts";
import type { EventLoop } from "./event-loop.ts";

type Native = typeof dns;
type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Node's resolver classes, with the channel that they keep. */
interface ResolverObject {
  _handle: NativeChannel | Channel;
  setServers(servers: unknown): void;
}
type ResolverClass = new (options?: unknown) => ResolverObject;

interface DnsFunctions {
  lookup: unknown;
  lookupService: unknown;
  Resolver: unknown;
  setServers: unknown;
  getServers: unknown;
  setDefaultResultOrder: unknown;
  getDefaultResultOrder: unknown;
  /** resolve, resolve4, ..., reverse: those that this version of Node has. */
  [name: string]: unknown;
}

export interface DnsReplacement extends DnsFunctions {
  lookup: Native["lookup"];
  lookupService: Native["lookupService"];
  /**
   * For `dns.promises`, whose object is also the module `dns/promises`: its functions are
   * replaced, the object stays. Not enumerable, so Object.assign leaves `dns.promises` alone.
   */
  promises: DnsFunctions & Pick<Native["promises"], "lookup" | "lookupService">;
}

/** `native`'s class of resolvers, on a channel of the guest. */
function guestResolver(Native: ResolverClass, loop: EventLoop, files: SystemFiles): ResolverClass {
  return class Resolver extends Native {
    constructor(options?: unknown) {
      super(options);
      const {
        timeout = -1,
        tries = 4,
        maxTimeout = 0,
      } = { ...(options as object | undefined) } as {
        timeout?: number;
        tries?: number;
        maxTimeout?: number;
      };
      const native = this._handle as NativeChannel;
      this._handle = new Channel(loop, files, { timeout, tries, maxTimeout }, native);
    }
  };
}

/** The functions of a module that are methods of the default resolver. */
function boundMethods(module: object, Resolver: ResolverClass, to: ResolverObject): object {
  const methods: Record<string, unknown> = {};
  const prototype = Resolver.prototype as unknown as Record<string, unknown>;
  for (const name of Object.keys(module)) {
    const method = prototype[name];
    if (typeof method === "function") methods[name] = (method as Method).bind(to);
  }
  return methods;
}

export function makeDns(loop: EventLoop, native: Native): DnsReplacement {
  const files = new SystemFiles(loop.sys);
  const addresses = new AddressResolver(loop, files);
  const names = new NameResolver(loop, files);
  const { setDefaultResultOrder, getDefaultResultOrder } = native;
  const nativeResolver = native.Resolver as unknown as ResolverClass;
  const nativePromiseResolver = native.promises.Resolver as unknown as ResolverClass;
  const Resolver = guestResolver(nativeResolver, loop, files);
  const PromiseResolver = guestResolver(nativePromiseResolver, loop, files);

  const standing = new Resolver();
  // Queries under way keep the servers that they were made with.
  const setServers = function setServers(servers: unknown): void {
    const fresh = new Resolver();
    fresh.setServers(servers);
    standing._handle = fresh._handle;
  };
  const shared = { setServers, setDefaultResultOrder, getDefaultResultOrder };
  const promises = {
    ...boundMethods(native.promises, PromiseResolver, standing),
    ...shared,
    lookup: makePromiseLookup(native, addresses),
    lookupService: makePromiseLookupService(native, names),
    Resolver: PromiseResolver,
  };
  const replacement = {
    ...boundMethods(native, Resolver, standing),
    ...shared,
    lookup: makeLookup(native, addresses),
    lookupService: makeLookupService(native, names),
    Resolver,
  };
  return Object.defineProperty(replacement, "promises", { value: promises }) as DnsReplacement;
}

/** Puts the replacement in the place of the module's functions, and those of `dns/promises`. */
export function installDns(module: Native, replacement: DnsReplacement): void {
  Object.assign(module, replacement);
  Object.assign(module.promises, replacement.promises);
}
