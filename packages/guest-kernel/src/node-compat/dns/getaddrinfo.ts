/**
 * getaddrinfo(3) of the guest: numbers, /etc/hosts, the names that the guest's network knows
 * (other guests, the host), then DNS as /etc/resolv.conf says. Answers and errors are glibc's as
 * libuv gives them.
 */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { AF_INET6, SOCK_DGRAM } from "@outsock/abi";
import type { EventLoop } from "../event-loop.ts";
import { addressRecords } from "./chain.ts";
import { Exchange, type Outcome, type Plan } from "./exchange.ts";
import { addressesOf } from "./hosts.ts";
import { DNS_PORT, encodable, RCODE, toAscii } from "./message.ts";
import { candidates } from "./resolv-conf.ts";
import type { SystemFiles } from "./system-files.ts";

/** uv.h; EINVAL of the system. */
export const UV_EAI = {
  ADDRFAMILY: -3000,
  AGAIN: -3001,
  NODATA: -3007,
  NONAME: -3008,
  EINVAL: -22,
} as const;

/** netdb.h, as dns.ADDRCONFIG and the others have it. */
const AI_V4MAPPED = 0x08;
const AI_ALL = 0x10;
const AI_ADDRCONFIG = 0x20;

/** libuv keeps a name in 256 bytes. */
const MAX_HOSTNAME = 255;

export interface LookupRequest {
  hostname: string;
  family: 0 | 4 | 6;
  hints: number;
  order: "verbatim" | "ipv4first" | "ipv6first";
}

/** An error of `UV_EAI`, or addresses: at least one. */
export type LookupDone = (error: number, addresses: string[]) => void;

/** Addresses found, and the error where none of them will do. */
type Answer = (addresses: string[], otherwise: number) => void;

/** inet_aton(3): one to four parts, each decimal, octal or hexadecimal. */
function parseLooseIPv4(text: string): string | undefined {
  const parts = text.split(".");
  if (parts.length > 4 || !parts.every((p) => /^(0x[\da-f]+|0[0-7]*|[1-9]\d*)$/i.test(p))) {
    return undefined;
  }
  const numbers = parts.map((p) => (/^0\d/.test(p) ? Number.parseInt(p, 8) : Number(p)));
  const last = numbers.pop()!;
  if (numbers.some((n) => n > 255) || last >= 256 ** (4 - numbers.length)) return undefined;
  const value = numbers.reduce((sum, n, i) => sum + n * 256 ** (3 - i), last);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

export class AddressResolver {
  private readonly loop: EventLoop;
  private readonly files: SystemFiles;
  private turn = 0;

  constructor(loop: EventLoop, files: SystemFiles) {
    this.loop = loop;
    this.files = files;
  }

  /** `done` is called once, in a later turn; the program is held until then. */
  lookup(request: LookupRequest, done: LookupDone): void {
    const { host } = this.loop;
    host.hold();
    let deferred = false;
    const finish = (error: number, addresses: string[]): void => {
      const tell = (): void => {
        host.release();
        done(error, addresses);
      };
      if (deferred) tell();
      else host.defer(tell);
    };
    this.find(request, finish);
    deferred = true;
  }

  private find(request: LookupRequest, done: LookupDone): void {
    const ascii = toAscii(request.hostname);
    const answer = (addresses: string[], otherwise: number): void => {
      const chosen = this.choose(addresses, request);
      done(chosen.length > 0 ? 0 : otherwise, chosen);
    };
    const number = isIP(ascii) === 0 ? parseLooseIPv4(ascii) : ascii;
    const local = this.local(ascii);
    if (ascii.length > MAX_HOSTNAME) done(UV_EAI.EINVAL, []);
    else if (number !== undefined) answer([number], UV_EAI.ADDRFAMILY);
    // A name that the file has with another family only is not asked for elsewhere: it is local.
    else if (local.length > 0) answer(local, UV_EAI.NONAME);
    else this.ask(ascii, request, answer);
  }

  /** Asks the guest's network, then DNS. */
  private ask(name: string, request: LookupRequest, answer: Answer): void {
    const dns = (): void => {
      if (name !== "" && encodable(name) && /^[\w.-]+$/.test(name)) {
        this.search(name, request, answer);
      } else answer([], UV_EAI.NONAME);
    };
    const asked = this.loop.sys.resolve(name.replace(/\.$/, ""), (addresses) => {
      const known = addresses.filter((address) => isIP(address) !== 0);
      if (known.length > 0) answer(known, UV_EAI.NODATA);
      else dns();
    });
    if (asked < 0) dns();
  }

  /** /etc/hosts; localhost is there even without it (RFC 6761 6.3). */
  private local(name: string): string[] {
    const addresses = addressesOf(this.files.hosts, name);
    if (addresses.length > 0) return addresses;
    return /(^|\.)localhost\.?$/i.test(name) ? ["::1", "127.0.0.1"] : [];
  }

  // DNS

  private plan(): Plan | undefined {
    const conf = this.files.resolvConf;
    if (conf.nameservers.length === 0) return undefined;
    const first = conf.rotate ? this.turn++ % conf.nameservers.length : 0;
    const nameservers = [...conf.nameservers.slice(first), ...conf.nameservers.slice(0, first)];
    return {
      servers: nameservers.map((address) => ({ address, port: DNS_PORT })),
      tries: conf.attempts,
      timeout: () => conf.timeout,
      local: {},
      useTcp: conf.useTcp,
      passFailures: true,
    };
  }

  private search(name: string, { family, hints }: LookupRequest, answer: Answer): void {
    const plan = this.plan();
    if (plan === undefined) {
      answer([], UV_EAI.AGAIN);
      return;
    }
    const types: ("A" | "AAAA")[] = [];
    if (family !== 6 || (hints & AI_V4MAPPED) !== 0) types.push("A");
    if (family !== 4) types.push("AAAA");
    const names = candidates(name, this.files.resolvConf).filter(encodable);
    let error: number = UV_EAI.NONAME;
    const next = (): void => {
      const candidate = names.shift();
      if (candidate === undefined) {
        answer([], error);
        return;
      }
      this.query(candidate, types, plan, (addresses, why) => {
        if (addresses.length > 0) answer(addresses, UV_EAI.NODATA);
        // A server that does not answer will not for the next name either.
        else if (why === UV_EAI.AGAIN) answer([], why);
        else {
          if (why === UV_EAI.NODATA) error = why;
          next();
        }
      });
    };
    next();
  }

  /** Asks for all types at once. */
  private query(
    name: string,
    types: readonly ("A" | "AAAA")[],
    plan: Plan,
    done: (addresses: string[], error: number) => void,
  ): void {
    const addresses: string[] = [];
    let left = types.length;
    let error: number = UV_EAI.NONAME;
    for (const type of types) {
      new Exchange(this.loop, name, type, plan, (outcome) => {
        addresses.push(...addressesIn(outcome, name, type));
        error = worse(error, errorOf(outcome));
        left--;
        if (left === 0) done(addresses, error);
      });
    }
  }

  // Choosing and sorting

  private choose(addresses: readonly string[], request: LookupRequest): string[] {
    const { family, hints, order } = request;
    let v4 = addresses.filter(isIPv4);
    let v6 = addresses.filter(isIPv6);
    if ((hints & AI_ADDRCONFIG) !== 0 && v6.length > 0 && !this.reaches(v6)) v6 = [];
    if (family === 4) v6 = [];
    if (family === 6) {
      const mapped = (hints & AI_V4MAPPED) !== 0 && (v6.length === 0 || (hints & AI_ALL) !== 0);
      if (mapped) v6 = [...v6, ...v4.map((address) => `::ffff:${address}`)];
      v4 = [];
    }
    if (v4.length === 0 || v6.length === 0) return [...v6, ...v4];
    if (order === "ipv4first") return [...v4, ...v6];
    return order === "ipv6first" || this.reaches(v6) ? [...v6, ...v4] : [...v4, ...v6];
  }

  /** Is there a source address to reach them from? (RFC 6724 6, rule 1; as glibc finds out) */
  private reaches(addresses: readonly string[]): boolean {
    const [address = "::1"] = addresses;
    if (addresses.includes("::1")) return true;
    const { sys } = this.loop;
    const fd = sys.socket(AF_INET6, SOCK_DGRAM, 0);
    if (fd < 0) return false;
    const connected = sys.connect(fd, { family: AF_INET6, address, port: 9 }) === 0;
    sys.close(fd);
    return connected;
  }
}

function addressesIn(outcome: Outcome, name: string, type: "A" | "AAAA"): string[] {
  if (typeof outcome === "string" || outcome.rcode !== RCODE.NOERROR) return [];
  return addressRecords(outcome.answers, name, type).map(({ address }) => address);
}

function errorOf(outcome: Outcome): number {
  if (typeof outcome === "string") return UV_EAI.AGAIN;
  if (outcome.rcode === RCODE.NOERROR) return UV_EAI.NODATA;
  return outcome.rcode === RCODE.NXDOMAIN ? UV_EAI.NONAME : UV_EAI.AGAIN;
}

function worse(a: number, b: number): number {
  const order: number[] = [UV_EAI.NONAME, UV_EAI.NODATA, UV_EAI.AGAIN];
  return order.indexOf(a) > order.indexOf(b) ? a : b;
}
