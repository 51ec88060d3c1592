/** What the controller and the kubelet ask a node's agent. */
import { PATH, pathName } from "@outsock/abi";
import type { Guest, GuestProcess } from "./guest.ts";

/** What went one way since the processes started. */
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
  /** Open now. */
  connections: number;
  shortcut: Share;
  relay: Share;
  /** Why connections took the relay, and how many. */
  reasons: Record<string, number>;
}

const SHORTCUT = pathName(PATH.SHORTCUT);

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

/** Connections by the name of their path. */
function pathsOf(processes: GuestProcess[]): Record<string, number> {
  const paths: Record<string, number> = {};
  for (const { session } of processes) {
    for (const [path, n] of Object.entries(session.pathCounts))
      paths[path] = (paths[path] ?? 0) + n;
  }
  return paths;
}

export function containerStatus(guests: Iterable<Guest>): ContainerStatus[] {
  const found: ContainerStatus[] = [];
  for (const { pod, plan, processes } of guests) {
    if (pod === undefined) continue;
    for (const [container, of] of byContainer(processes.values())) {
      const { [SHORTCUT]: shortcut = 0, ...reasons } = pathsOf(of);
      found.push({
        namespace: pod.namespace,
        pod: pod.name,
        uid: pod.uid,
        container,
        mode: "outsourced",
        address: plan.address,
        processes: of.length,
        connections: total(of, ({ session }) => session.connectionCount),
        shortcut: {
          connections: shortcut,
          // The guest's word: the agent does not see these bytes.
          bytes: total(of, ({ session }) => session.guestCounters.shortcutBytes ?? 0),
        },
        relay: {
          connections: Object.values(reasons).reduce((sum, n) => sum + n, 0),
          bytes: total(of, ({ session }) => session.bytes),
        },
        reasons,
      });
    }
  }
  return found;
}
