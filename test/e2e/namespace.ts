/** Network namespaces of a test's own (needs root). */
import { onTestFinished } from "vitest";
import { TestProcess } from "./process.ts";

/** An address of the namespace's black hole: frames to it vanish. */
export const BLACK_HOLE = "198.51.100.9";

/** A veth whose peer's address nobody has; a connect gives up after one more SYN, 3 s. */
const DIG = [
  "ip link add hole0 type veth peer name hole1",
  "ip addr add 198.51.100.1/24 dev hole0",
  "ip link set hole0 up",
  "ip link set hole1 up",
  `ip neigh add ${BLACK_HOLE} lladdr 02:00:00:00:00:09 dev hole0`,
  "echo 1 > /proc/sys/net/ipv4/tcp_syn_retries",
];

export interface Namespace {
  /** Words before a command that run it in the namespace. */
  prefix: string[];
}

/** A namespace without any interface but its loopback, gone when the test is over. */
export async function networkNamespace(
  options: { loopback?: boolean; blackHole?: boolean } = {},
): Promise<Namespace> {
  const steps = [
    ...(options.loopback ? ["ip link set lo up"] : []),
    ...(options.blackHole ? DIG : []),
    "echo ready",
    // Ends with its standard input, so with the test at the latest.
    "exec cat",
  ];
  const holder = new TestProcess("unshare", ["-n", "sh", "-ec", steps.join("\n")], {
    env: process.env,
  });
  onTestFinished(() => holder.close());
  await holder.printed(/ready/);
  return { prefix: ["nsenter", "-t", String(holder.pid), "-n", "--"] };
}
