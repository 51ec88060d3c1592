/** Socket addresses of the guest and endpoints of VRPC. */
import { AF_INET, AF_INET6 } from "@outsock/abi";
import type { Endpoint } from "@outsock/vrpc";
import type { SocketAddress } from "../net/protocol-family.ts";

export function toEndpoint(address: SocketAddress): Endpoint {
  return {
    address: address.address,
    port: address.port,
    family: address.family === AF_INET6 ? 6 : 4,
  };
}

/** As a socket of `domain` sees it: IPv4 peers of AF_INET6 are mapped (RFC 3493 3.7). */
export function fromEndpoint(endpoint: Endpoint, domain: number): SocketAddress {
  const { address, port, family } = endpoint;
  if (domain === AF_INET6) {
    return { family: AF_INET6, address: family === 4 ? `::ffff:${address}` : address, port };
  }
  return { family: AF_INET, address: address.replace(/^::ffff:/, ""), port };
}
