/** dns.lookupService: getnameinfo(3) of the guest, with NI_NAMEREQD as Node asks it. */
import { AsyncResource } from "node:async_hooks";
import type * as dns from "node:dns";
import { isIP } from "node:net";
import type { EventLoop } from "../event-loop.ts";
import { dnsError } from "./errors.ts";
import { Exchange, type Plan } from "./exchange.ts";
import { UV_EAI } from "./getaddrinfo.ts";
import { namesOf } from "./hosts.ts";
import { keepSymbols } from "./lookup.ts";
import { DNS_PORT, RCODE } from "./message.ts";
import { shapePtr } from "./records.ts";
import { reverseName } from "./reverse-name.ts";
import { serviceOf } from "./services.ts";
import type { SystemFiles } from "./system-files.ts";

type Native = typeof dns;
type NameDone = (errno: number, name: string) => void;

function validPort(port: unknown): boolean {
  if (typeof port !== "number" && (typeof port !== "string" || port.trim() === "")) return false;
  const value = Number(port);
  return value === value >>> 0 && value <= 0xffff;
}

export class NameResolver {
  private readonly loop: EventLoop;
  private readonly files: SystemFiles;

  constructor(loop: EventLoop, files: SystemFiles) {
    this.loop = loop;
    this.files = files;
  }

  /** `done` is called once, in a later turn. */
  nameOf(address: string, done: NameDone): void {
    const { host } = this.loop;
    const [name] = namesOf(this.files.hosts, address);
    const { nameservers, attempts, timeout, useTcp } = this.files.resolvConf;
    if (name !== undefined || nameservers.length === 0) {
      host.hold();
      host.defer(() => {
        host.release();
        done(name === undefined ? UV_EAI.AGAIN : 0, name ?? "");
      });
      return;
    }
    const plan: Plan = {
      servers: nameservers.map((server) => ({ address: server, port: DNS_PORT })),
      tries: attempts,
      timeout: () => timeout,
      local: {},
      useTcp,
      passFailures: true,
    };
    const question = reverseName(address);
    new Exchange(this.loop, question, "PTR", plan, (outcome) => {
      if (typeof outcome === "string") return done(UV_EAI.AGAIN, "");
      if (outcome.rcode === RCODE.NOERROR) {
        try {
          const { result } = shapePtr(outcome.answers, question);
          const [found] = result as string[];
          if (found !== undefined) return done(0, found);
        } catch {
          // Names that no host has: as good as none.
        }
      }
      const none = outcome.rcode === RCODE.NOERROR || outcome.rcode === RCODE.NXDOMAIN;
      return done(none ? UV_EAI.NONAME : UV_EAI.AGAIN, "");
    });
  }
}

export function makeLookupService(native: Native, names: NameResolver): Native["lookupService"] {
  const own = native.lookupService as unknown as (...args: unknown[]) => object;
  function lookupService(...args: unknown[]): object {
    const [address, port, callback] = args;
    const wrong = typeof address !== "string" || isIP(address) === 0 || !validPort(port);
    if (args.length !== 3 || wrong || typeof callback !== "function") return own(...args);
    const context = new AsyncResource("GETNAMEINFOREQWRAP");
    names.nameOf(address, (errno, name) => {
      const results =
        errno === 0
          ? [null, name, serviceOf(Number(port))]
          : [dnsError(errno, "getnameinfo", address)];
      context.runInAsyncScope(callback as () => void, undefined, ...(results as []));
    });
    return { callback, hostname: address, port: Number(port) };
  }
  return keepSymbols(lookupService, own) as unknown as Native["lookupService"];
}

export function makePromiseLookupService(
  native: Native,
  names: NameResolver,
): Native["promises"]["lookupService"] {
  const own = native.promises.lookupService as (...args: unknown[]) => Promise<unknown>;
  function lookupService(...args: unknown[]): Promise<unknown> {
    const [address, port] = args;
    const wrong = typeof address !== "string" || isIP(address) === 0 || !validPort(port);
    if (args.length !== 2 || wrong) return own(...args);
    return new Promise((resolve, reject) => {
      names.nameOf(address, (errno, hostname) => {
        if (errno !== 0) reject(dnsError(errno, "getnameinfo", address));
        else resolve({ hostname, service: serviceOf(Number(port)) });
      });
    });
  }
  return lookupService as unknown as Native["promises"]["lookupService"];
}
