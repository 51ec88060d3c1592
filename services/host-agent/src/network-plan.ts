/**
 * Where a guest's sockets are made, and which address of the kernel each of its addresses is.
 *
 * Two plans: a local guest shares the host's network and gets addresses of 127.0.0.0/8
 * (`AddressPlan`); a pod has a network namespace of its own, whose addresses are the kernel's
 * (`PodPlan`).
 */
import { isIPv4 } from "node:net";
import type { Endpoint } from "@outsock/vrpc";

/** A host endpoint to connect to, and the host address to connect from. */
export interface HostTarget {
  endpoint: Endpoint;
  /** undefined = the kernel chooses. */
  source: string | undefined;
}

/** Plain values that a plan is made of. */
export type PlanDescription =
  | { kind: "local"; address: string; nameserver: Endpoint | undefined }
  | {
      kind: "pod";
      namespace: number;
      address: string;
      firstFreePort: number;
      mayBindAll: boolean;
    };

export interface NetworkPlan {
  /** The guest's own address, as everybody sees it. */
  readonly address: string;
  /** Names the network namespace; no two at a time have one name. */
  readonly scope: string;
  /** A guest's socket is one real socket: a wildcard is the kernel's, and needs no second one. */
  readonly oneToOne: boolean;
  /** socket(2), where the guest's network is. @throws SysError */
  inetSocket(type: "tcp" | "udp", family: 4 | 6): number;
  /** Where a connection or datagram of the guest to `destination` goes. */
  target(destination: Endpoint): HostTarget;
  /**
   * Real addresses that a guest's `bind()` to `local` takes.
   * @returns a positive errno when the guest may not have that address or port
   */
  bind(local: Endpoint, v6only: boolean): readonly string[] | number;
  /** A real endpoint as the guest sees it. */
  toGuest(endpoint: Endpoint): Endpoint;
  /** A peer at `real`, as the kernel names it, may be another guest. */
  mayBeGuest(real: Endpoint): boolean;
  /** What `planOf` (workers/plan-copy.ts) makes the same plan of, in another thread. */
  describe(): PlanDescription;
  /** The guest bound `port` on all its addresses. */
  holdWildcard(port: number): void;
  releaseWildcard(port: number): void;
}

/** Strips ::ffff: of an IPv4-mapped address. */
export function unmapped(endpoint: Endpoint): Endpoint {
  if (endpoint.family === 6 && endpoint.address.toLowerCase().startsWith("::ffff:")) {
    const v4 = endpoint.address.slice(7);
    if (isIPv4(v4)) return { address: v4, port: endpoint.port, family: 4 };
  }
  return endpoint;
}

/** 0.0.0.0 or :: */
export function isWildcard(endpoint: Endpoint): boolean {
  const { address } = unmapped(endpoint);
  return address === "0.0.0.0" || address === "::";
}

/** An address as a socket of `family` names it: IPv4 is mapped for AF_INET6 (RFC 3493 3.7). */
export function addressFor(family: 4 | 6, address: string): string {
  return family === 6 && isIPv4(address) ? `::ffff:${address}` : address;
}

/** 127.0.0.0/8 or ::1 (RFC 1122 3.2.1.3, RFC 4291 2.5.3) */
export function isLoopback(endpoint: Endpoint): boolean {
  const { address } = unmapped(endpoint);
  return address === "::1" || address.startsWith("127.");
}
