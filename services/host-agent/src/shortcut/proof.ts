/**
 * Proofs that two sockets are the two ends of one connection: words that no other two have in
 * common while both are open.
 *
 * In one network namespace without translation that is the namespace and the whole 4-tuple. A
 * local address and port are not enough: the kernel shares them between connections to different
 * destinations.
 */
import type { Endpoint } from "@outsock/vrpc";

const end = ({ address, port }: Endpoint): string => `${address}:${port}`;

/** @param scope names the network namespace */
export function tupleProof(scope: string, client: Endpoint, server: Endpoint): string {
  return `${scope} ${end(client)} ${end(server)}`;
}
