/**
 * How a local guest's addresses map to the host's.
 *
 * A guest owns one address of 127.77.0.0/16, which other guests and the host reach, and has a
 * loopback of its own: its 127.0.0.0/8 is the host's 127.78.x.y and its ::1 is 127.79.x.y, with the
 * x.y of its address, which no other guest can name. 127.77.0.1 is the host (its 127.0.0.1).
 */
import { ERRNO } from "@outsock/abi";
import { inetSocket } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";
import {
  type HostTarget,
  type NetworkPlan,
  type PlanDescription,
  unmapped,
} from "./network-plan.ts";

/** The host's 127.0.0.1 as a guest sees it, `host.outsock`. */
export const HOST_ADDRESS = "127.77.0.1";
/** The host's first name server as a guest sees it, where that one listens on the host's loopback. */
export const NAMESERVER_ADDRESS = "127.77.0.53";

/** 127.0.0.n of a guest is 127.(FIRST_LOOPBACK + n).x.y of the host, for n from 2 to LOOPBACKS. */
const FIRST_LOOPBACK = 78;
const LOOPBACKS = 40;

export class AddressPlan implements NetworkPlan {
  readonly address: string;
  /** Local guests share the host's network namespace. */
  readonly scope = "host";
  readonly oneToOne = false;
  private readonly suffix: string;
  readonly loopback4: string;
  readonly loopback6: string;
  private readonly nameserver: Endpoint | undefined;
  /** Ports that the guest bound on all its addresses, and how often. */
  private readonly wildcardPorts = new Map<number, number>();

  constructor(address: string, nameserver: Endpoint | undefined) {
    this.address = address;
    this.suffix = address.split(".").slice(2).join(".");
    this.loopback4 = address.replace("127.77.", "127.78.");
    this.loopback6 = address.replace("127.77.", "127.79.");
    this.nameserver = nameserver;
  }

  /**
   * Host address of the guest's loopback address `127.a.b.c`: 127.0.0.1 to 127.0.0.40 have one
   * each, so that a guest can bind one port on several of them; all others are 127.0.0.1.
   */
  private loopback(address: string): string {
    const n = Number(/^127\.0\.0\.(\d+)$/.exec(address)?.[1] ?? 1);
    if (n < 2 || n > LOOPBACKS) return this.loopback4;
    return this.address.replace("127.77.", `127.${FIRST_LOOPBACK + n}.`);
  }

  inetSocket(type: "tcp" | "udp", family: 4 | 6): number {
    return inetSocket(type, { family });
  }

  /** All of the guest's loopback answers on a port that it bound on all its addresses. */
  holdWildcard(port: number): void {
    this.wildcardPorts.set(port, (this.wildcardPorts.get(port) ?? 0) + 1);
  }

  releaseWildcard(port: number): void {
    const left = (this.wildcardPorts.get(port) ?? 1) - 1;
    if (left === 0) this.wildcardPorts.delete(port);
    else this.wildcardPorts.set(port, left);
  }

  target(destination: Endpoint): HostTarget {
    const { address, port, family } = unmapped(destination);
    const v4 = (host: string, source: string | undefined): HostTarget => ({
      endpoint: { address: host, port, family: 4 },
      source,
    });
    if (address === "::1" || address === "::") return v4(this.loopback6, this.loopback6);
    if (family === 6) return { endpoint: { address, port, family: 6 }, source: undefined };
    if (address === HOST_ADDRESS) return v4("127.0.0.1", this.address);
    if (address === NAMESERVER_ADDRESS && this.nameserver !== undefined) {
      return { endpoint: this.nameserver, source: undefined };
    }
    if (address.startsWith("127.77.")) return v4(address, this.address);
    if (address === "0.0.0.0") return v4(this.loopback4, this.loopback4);
    if (address.startsWith("127.")) {
      const host = this.wildcardPorts.has(port) ? this.loopback4 : this.loopback(address);
      return v4(host, this.loopback4);
    }
    return v4(address, undefined);
  }

  bind(local: Endpoint, v6only: boolean): readonly string[] | number {
    const { address } = unmapped(local);
    if (address === "0.0.0.0") return [this.address, this.loopback4];
    if (address === "::") {
      return v6only ? [this.loopback6] : [this.address, this.loopback4, this.loopback6];
    }
    if (address === "::1") return [this.loopback6];
    if (address === this.address) return [this.address];
    if (address.startsWith("127.") && !address.startsWith("127.77.")) {
      return [this.loopback(address)];
    }
    return ERRNO.EADDRNOTAVAIL;
  }

  mayBeGuest(real: Endpoint): boolean {
    const { address } = unmapped(real);
    return address.startsWith("127.77.") && address !== this.address;
  }

  describe(): PlanDescription {
    return { kind: "local", address: this.address, nameserver: this.nameserver };
  }

  toGuest(endpoint: Endpoint): Endpoint {
    const { address, port, family } = unmapped(endpoint);
    if (address === this.loopback4) return { address: "127.0.0.1", port, family: 4 };
    if (address === this.loopback6) return { address: "::1", port, family: 6 };
    const own = address.split(".");
    if (address.startsWith("127.") && own.slice(2).join(".") === this.suffix) {
      const n = Number(own[1]) - FIRST_LOOPBACK;
      if (n >= 2 && n <= LOOPBACKS) return { address: `127.0.0.${n}`, port, family: 4 };
    }
    if (address === "127.0.0.1") return { address: HOST_ADDRESS, port, family: 4 };
    if (
      this.nameserver !== undefined &&
      address === this.nameserver.address &&
      port === this.nameserver.port
    ) {
      return { address: NAMESERVER_ADDRESS, port, family: 4 };
    }
    return { address, port, family };
  }
}
