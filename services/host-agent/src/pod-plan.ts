/**
 * The network of a pod: sockets are made in its network namespace, and addresses are the kernel's
 * own, wildcards and loopback too. `0.0.0.0` and `::` as a destination are the loopback, as
 * connect(2) has it.
 */
import { ERRNO } from "@outsock/abi";
import { inetSocket, inNetworkNamespace, namespaceInode } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";
import {
  type HostTarget,
  isLoopback,
  type NetworkPlan,
  type PlanDescription,
  unmapped,
} from "./network-plan.ts";

/** First port that anybody may bind (ip(7), ip_unprivileged_port_start), unless told otherwise. */
const UNPRIVILEGED_PORT_START = 1024;

export interface PodNetwork {
  /** Descriptor of the namespace; whoever made it closes it after the last socket was made. */
  namespace: number;
  /** The pod's own address. */
  address: string;
  /**
   * Ports below are for processes with CAP_NET_BIND_SERVICE. The kernel judges the agent, who has
   * it, so the agent has to judge the guest's process.
   */
  firstFreePort?: number;
  /** The guest's process has CAP_NET_BIND_SERVICE. */
  mayBindAll?: boolean;
}

export class PodPlan implements NetworkPlan {
  readonly address: string;
  private name: string | undefined;
  readonly oneToOne = true;
  private readonly namespace: number;
  private readonly firstPort: number;
  private readonly mayBindAll: boolean;

  constructor(network: PodNetwork) {
    this.address = network.address;
    this.namespace = network.namespace;
    this.mayBindAll = network.mayBindAll ?? false;
    this.firstPort = network.mayBindAll ? 1 : (network.firstFreePort ?? UNPRIVILEGED_PORT_START);
  }

  get scope(): string {
    this.name ??= `net:${namespaceInode(this.namespace)}`;
    return this.name;
  }

  inetSocket(type: "tcp" | "udp", family: 4 | 6): number {
    return inNetworkNamespace(this.namespace, () => inetSocket(type, { family }));
  }

  target(destination: Endpoint): HostTarget {
    const { address, port, family } = unmapped(destination);
    const real = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
    return { endpoint: { address: real, port, family }, source: undefined };
  }

  bind(local: Endpoint, _v6only: boolean): readonly string[] | number {
    const { address, port } = unmapped(local);
    if (port !== 0 && port < this.firstPort) return ERRNO.EACCES;
    return [address];
  }

  /** Whatever leaves the pod: a Service's address stands for anybody. */
  mayBeGuest(real: Endpoint): boolean {
    return !isLoopback(real) && unmapped(real).address !== this.address;
  }

  describe(): PlanDescription {
    const { namespace, address, firstPort, mayBindAll } = this;
    return { kind: "pod", namespace, address, firstFreePort: firstPort, mayBindAll };
  }

  toGuest(endpoint: Endpoint): Endpoint {
    return unmapped(endpoint);
  }

  // The kernel's wildcard is on the loopback already.
  holdWildcard(): void {}
  releaseWildcard(): void {}
}
