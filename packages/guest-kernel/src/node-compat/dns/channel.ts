/**
 * The guest's resolver in the shape of the channel (c-ares) under node:dns's Resolver. Node's own
 * Resolver stays above it, with its argument checks, its parsing of servers and its errors.
 */
import { AsyncResource } from "node:async_hooks";
import { isIP, isIPv4 } from "node:net";
import { ERRNO } from "@outsock/abi";
import type { RecordType } from "dns-packet";
import type { EventLoop } from "../event-loop.ts";
import { Exchange, type Failure, type Outcome, type Plan } from "./exchange.ts";
import { namesOf } from "./hosts.ts";
import { DNS_PORT, encodable, RCODE, toAscii } from "./message.ts";
import { MalformedAnswer, QUERIES, type QueryName, type Shape, shapePtr } from "./records.ts";
import { reverseName } from "./reverse-name.ts";
import type { SystemFiles } from "./system-files.ts";
import type { LocalAddresses, Server } from "./transport.ts";

/** Time for a first attempt where the program gives none (c-ares 1.34, DEFAULT_TIMEOUT). */
const DEFAULT_TIMEOUT = 2000;
/** "There are pending queries." (src/cares_wrap.h) */
const DNS_ESETSRVPENDING = -1000;

export interface ChannelOptions {
  timeout: number;
  tries: number;
  maxTimeout: number;
}

/** What node:dns passes to a query, and is told the result through. */
export interface QueryRequest {
  oncomplete: (error: number | string, result?: unknown, ttls?: number[]) => void;
}

/** The part of the native channel that needs no network: checks of `setLocalAddress`. */
export interface NativeChannel {
  setLocalAddress(first: unknown, second: unknown): void;
}

const FAILURES: Record<Failure, string> = {
  timeout: "ETIMEOUT",
  refused: "ECONNREFUSED",
  malformed: "EBADRESP",
  cancelled: "ECANCELLED",
};

const RCODES: Record<number, string> = {
  [RCODE.FORMERR]: "EFORMERR",
  [RCODE.SERVFAIL]: "ESERVFAIL",
  [RCODE.NXDOMAIN]: "ENOTFOUND",
  [RCODE.NOTIMP]: "ENOTIMP",
  [RCODE.REFUSED]: "EREFUSED",
};

export class Channel {
  private readonly loop: EventLoop;
  private readonly files: SystemFiles;
  private readonly options: ChannelOptions;
  private readonly native: NativeChannel;
  private servers: Server[] | undefined;
  private local: LocalAddresses = {};
  private readonly active = new Set<{ cancel(): void }>();

  constructor(loop: EventLoop, files: SystemFiles, options: ChannelOptions, native: NativeChannel) {
    this.loop = loop;
    this.files = files;
    this.options = options;
    this.native = native;
  }

  /** c-ares asks the local host where resolv.conf names no server. */
  private currentServers(): Server[] {
    if (this.servers !== undefined) return this.servers;
    const { nameservers } = this.files.resolvConf;
    const addresses = nameservers.length > 0 ? nameservers : ["127.0.0.1"];
    return addresses.map((address) => ({ address, port: DNS_PORT }));
  }

  getServers(): [string, number][] {
    return this.currentServers().map(({ address, port }) => [address, port]);
  }

  /** @param servers family, address, port. @returns 0 or a code for c-ares' strerror */
  setServers(servers: readonly [number, string, number][]): number {
    if (this.active.size > 0) return DNS_ESETSRVPENDING;
    this.servers = servers.map(([, address, port]) => ({ address, port }));
    return 0;
  }

  setLocalAddress(first: string, second: string | undefined): void {
    this.native.setLocalAddress(first, second);
    const local: LocalAddresses = {};
    for (const address of [first, second]) {
      if (address !== undefined) local[isIPv4(address) ? "ipv4" : "ipv6"] = address;
    }
    this.local = local;
  }

  cancel(): void {
    for (const query of [...this.active]) query.cancel();
  }

  // Queries

  private plan(): Plan {
    const { timeout, tries, maxTimeout } = this.options;
    const servers = this.currentServers();
    const first = timeout > 0 ? timeout : DEFAULT_TIMEOUT;
    return {
      servers,
      tries,
      // Doubled in every round over the servers (c-ares, ares_send_query).
      timeout: (attempt) => {
        const grown = first * 2 ** Math.floor(attempt / servers.length);
        return Math.min(grown, maxTimeout > 0 ? maxTimeout : 0x7fffffff);
      },
      local: this.local,
      useTcp: this.files.resolvConf.useTcp,
      passFailures: false,
    };
  }

  /** Tells a request its result, in the context in which it was made. */
  private answering(request: QueryRequest): QueryRequest["oncomplete"] {
    const context = new AsyncResource("QUERYWRAP");
    return (...result) => context.runInAsyncScope(request.oncomplete, request, ...result);
  }

  /** Tells in a later turn what is known now. */
  private answerLater(tell: (cancelled: boolean) => void): void {
    const { host } = this.loop;
    let cancelled = false;
    const entry = { cancel: () => (cancelled = true) };
    this.active.add(entry);
    host.hold();
    host.defer(() => {
      this.active.delete(entry);
      host.release();
      tell(cancelled);
    });
  }

  query(request: QueryRequest, name: string, method: QueryName): number {
    const [type, shape] = QUERIES[method];
    this.ask(this.answering(request), name, type as RecordType, shape);
    return 0;
  }

  private ask(
    answer: QueryRequest["oncomplete"],
    given: string,
    type: RecordType,
    shape: Shape,
  ): void {
    const name = toAscii(given);
    if (!encodable(name) || (name === "" && given !== "") || this.currentServers().length === 0) {
      const code = this.currentServers().length === 0 ? "ECONNREFUSED" : "EBADNAME";
      this.answerLater((cancelled) => answer(cancelled ? "ECANCELLED" : code));
      return;
    }
    const exchange = new Exchange(this.loop, name, type, this.plan(), (outcome) => {
      this.active.delete(exchange);
      const { error, result, ttls } = resultOf(outcome, name, shape);
      if (error !== undefined) answer(error);
      else answer(0, result, ttls);
    });
    this.active.add(exchange);
  }

  /** Names of an address: /etc/hosts first, then DNS. @returns 0 or a negative errno */
  getHostByAddr(request: QueryRequest, address: string): number {
    if (isIP(address) === 0) return -ERRNO.EINVAL;
    const answer = this.answering(request);
    const names = namesOf(this.files.hosts, address);
    if (names.length > 0) {
      // The aliases alone, as Node gives them.
      this.answerLater((cancelled) => {
        if (cancelled) answer("ECANCELLED");
        else answer(0, names.slice(1));
      });
    } else {
      // c-ares: a name without addresses and no name are the same to gethostbyaddr.
      const found = ((error: number | string, ...rest: unknown[]) =>
        answer(error === "ENODATA" ? "ENOTFOUND" : error, ...(rest as []))) as typeof answer;
      this.ask(found, reverseName(address), "PTR", shapePtr);
    }
    return 0;
  }
}

// One method for each kind of query, as the native channel has them.
for (const method of Object.keys(QUERIES) as QueryName[]) {
  Object.defineProperty(Channel.prototype, method, {
    value(this: Channel, request: QueryRequest, name: string): number {
      return this.query(request, name, method);
    },
  });
}

interface QueryResult {
  error?: string;
  result?: unknown;
  ttls?: number[];
}

function resultOf(outcome: Outcome, name: string, shape: Shape): QueryResult {
  if (typeof outcome === "string") return { error: FAILURES[outcome] };
  const error = RCODES[outcome.rcode];
  if (error !== undefined) return { error };
  try {
    const { result, ttls } = shape(outcome.answers, name);
    if (Array.isArray(result) && result.length === 0) return { error: "ENODATA" };
    return ttls === undefined ? { result } : { result, ttls };
  } catch (thrown) {
    if (thrown instanceof MalformedAnswer) return { error: "EBADRESP" };
    throw thrown;
  }
}
