/** What the controller and the kubelet ask a node's agent. */
import type { Guest, GuestProcess } from "./guest.ts";

interface Share {
  connections: number;
  bytes: number;
}

/** One container of a pod that has guest processes. */
export interface ContainerStatus {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  mode: "outsourced";
  address: string;
  processes: number;
  connections: number;
  shortcut: Share;
  relay: Share;
  /** Why connections took the relay, and how many. */
  reasons: Record<string, number>;
}

const total = (processes: GuestProcess[], of: (process: GuestProcess) => number): number =>
  processes.reduce((sum, process) => sum + of(process), 0);

function byContainer(processes: Iterable<GuestProcess>): Map<string, GuestProcess[]> {
  const found = new Map<string, GuestProcess[]>();
  for (const process of processes) {
    const name = process.container ?? "";
    const of = found.get(name);
    if (of === undefined) found.set(name, [process]);
    else of.push(process);
  }
  return found;
}

export function containerStatus(guests: Iterable<Guest>): ContainerStatus[] {
  const found: ContainerStatus[] = [];
  for (const { pod, plan, processes } of guests) {
    if (pod === undefined) continue;
    for (const [container, of] of byContainer(processes.values())) {
      const connections = total(of, ({ session }) => session.connectionCount);
      found.push({
        namespace: pod.namespace,
        pod: pod.name,
        uid: pod.uid,
        container,
        mode: "outsourced",
        address: plan.address,
        processes: of.length,
        connections,
        shortcut: { connections: 0, bytes: 0 },
        relay: { connections, bytes: total(of, ({ session }) => session.bytes) },
        reasons: {},
      });
    }
  }
  return found;
}
