/**
 * Proofs that two sockets are the two ends of one connection: words that no other two have in
 * common while both are open.
 *
 * In one network namespace without translation that is the namespace and the whole 4-tuple. A
 * local address and port are not enough: the kernel shares them between connections to different
 * destinations.
 *
 * Between pods addresses may be translated on the way. What is not is TCP's sequence numbers: both
 * ends name the same two, 64 bits that nobody outside can know (RFC 6528), as long as no byte has
 * moved. A proxy between them makes two connections with numbers of their own.
 */
import { SysError, tcpSequences } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";
import { isLoopback, type NetworkPlan, unmapped } from "../network-plan.ts";

const text = (endpoint: Endpoint): string => {
  const { address, port } = unmapped(endpoint);
  return `${address}:${port}`;
};

/** @param scope names the network namespace */
export function tupleProof(scope: string, client: Endpoint, server: Endpoint): string {
  return `${scope} ${text(client)} ${text(server)}`;
}

export function sequenceProof(clientToServer: number, serverToClient: number): string {
  return `tcp ${clientToServer} ${serverToClient}`;
}

/**
 * - No byte has been written or read yet.
 * @param kind which end it is
 */
export function proofsOf(
  plan: NetworkPlan,
  fd: number,
  kind: "connected" | "accepted",
  local: Endpoint,
  peer: Endpoint,
): string[] {
  const connected = kind === "connected";
  const [client, server] = connected ? [local, peer] : [peer, local];
  const proofs = [tupleProof(plan.scope, client, server)];
  // What does not leave the namespace needs no other proof.
  if (!plan.oneToOne || isLoopback(peer)) return proofs;
  try {
    const { send, receive } = tcpSequences(fd);
    proofs.push(connected ? sequenceProof(send, receive) : sequenceProof(receive, send));
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
  }
  return proofs;
}
