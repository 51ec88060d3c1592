/**
 * dns.lookup and dns.promises.lookup.
 *
 * Arguments are checked by Node's own functions: they are called with the same options and a
 * literal address, which they answer without a resolver, and throw what they throw.
 */
import { AsyncResource } from "node:async_hooks";
import type * as dns from "node:dns";
import { isIP } from "node:net";
import { dnsError } from "./errors.ts";
import type { AddressResolver, LookupRequest } from "./getaddrinfo.ts";

type Native = typeof dns;
type Order = LookupRequest["order"];
type Options = dns.LookupOptions & { order?: Order };
type Callback = (error: Error | null, address?: unknown, family?: number) => void;

const PROBE = "127.0.0.1";
const ignore = (): void => {};

/** Own symbols of a function of Node's: what util.promisify reads. */
export function keepSymbols<F extends object>(target: F, source: object): F {
  for (const symbol of Object.getOwnPropertySymbols(source)) {
    Object.defineProperty(target, symbol, Object.getOwnPropertyDescriptor(source, symbol)!);
  }
  return target;
}

/** Names that Node answers without resolving, or refuses. */
function needsNoResolver(hostname: unknown): boolean {
  return typeof hostname !== "string" || hostname === "" || isIP(hostname) !== 0;
}

/** Newer versions refuse a NUL before they look at the options, which are wrong here too. */
function refuseNul(hostname: string, native: (name: string, options: object) => void): void {
  if (!hostname.includes("\0")) return;
  try {
    native(hostname, { family: 99 });
  } catch (error) {
    if ((error as Error).message.includes("hostname")) throw error;
  }
}

function requestOf(defaultOrder: Order, hostname: string, given: unknown): LookupRequest {
  const options: Options = typeof given === "object" && given !== null ? given : {};
  const wanted = typeof given === "number" ? given : options.family;
  const family = wanted === 4 || wanted === "IPv4" ? 4 : wanted === 6 || wanted === "IPv6" ? 6 : 0;
  let order = defaultOrder;
  if (options.verbatim !== undefined && options.verbatim !== null) {
    order = options.verbatim ? "verbatim" : "ipv4first";
  }
  return { hostname, family, hints: (options.hints ?? 0) >>> 0, order: options.order ?? order };
}

const wantsAll = (given: unknown): boolean => (given as Options | null | undefined)?.all === true;

export function makeLookup(native: Native, resolver: AddressResolver): Native["lookup"] {
  // Taken now: the module's own are replaced later.
  const own = native.lookup as unknown as (...args: unknown[]) => object;
  const defaultOrder = native.getDefaultResultOrder as () => Order;

  function lookup(...args: unknown[]): object {
    const [hostname] = args;
    const callback = typeof args[1] === "function" ? args[1] : args[2];
    if (needsNoResolver(hostname) || typeof callback !== "function") return own(...args);
    const name = hostname as string;
    const given = typeof args[1] === "function" ? undefined : args[1];
    refuseNul(name, (...bad) => own(...bad, ignore));
    own(PROBE, given, ignore);
    const request = requestOf(defaultOrder(), name, given);
    const context = new AsyncResource("GETADDRINFOREQWRAP");
    const call = (...results: Parameters<Callback>): void =>
      context.runInAsyncScope(callback as Callback, undefined, ...results);
    resolver.lookup(request, (errno, addresses) => {
      const results = addresses.map((address) => ({ address, family: isIP(address) }));
      if (errno !== 0) call(dnsError(errno, "getaddrinfo", name));
      else if (wantsAll(given)) call(null, results);
      else call(null, addresses[0], request.family || results[0]!.family);
    });
    return { callback, family: request.family, hostname };
  }
  return keepSymbols(lookup, own) as unknown as Native["lookup"];
}

export function makePromiseLookup(
  native: Native,
  resolver: AddressResolver,
): Native["promises"]["lookup"] {
  const own = native.promises.lookup as unknown as (...args: unknown[]) => Promise<unknown>;
  const defaultOrder = native.getDefaultResultOrder as () => Order;

  function lookup(...args: unknown[]): Promise<unknown> {
    const [hostname, given] = args;
    if (needsNoResolver(hostname)) return own(...args);
    const name = hostname as string;
    refuseNul(name, (...bad) => void own(...bad));
    void own(PROBE, ...args.slice(1));
    const request = requestOf(defaultOrder(), name, given);
    return new Promise((resolve, reject) => {
      resolver.lookup(request, (errno, addresses) => {
        const results = addresses.map((address) => ({ address, family: isIP(address) }));
        if (errno !== 0) reject(dnsError(errno, "getaddrinfo", name));
        else if (wantsAll(given)) resolve(results);
        else resolve({ address: addresses[0], family: request.family || results[0]!.family });
      });
    });
  }
  return lookup as unknown as Native["promises"]["lookup"];
}
