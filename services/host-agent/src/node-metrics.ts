/** What a node's agent counts, for Prometheus. Read when asked: an idle agent does nothing for it. */
import { Counter, Gauge, Registry } from "prom-client";
import type { ContainerStatus } from "./node-status.ts";

export interface MetricSources {
  version: string;
  ready(): boolean;
  /** Containers with Node processes that are no guests. */
  untouched(): number;
}

const OF_GUEST = ["namespace", "pod", "container"] as const;

/** @returns the registry, and how it is told of the guests that there are now */
export function nodeMetrics({ version, ready, untouched }: MetricSources): {
  registry: Registry;
  show(guests: readonly ContainerStatus[]): void;
} {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "outsock_agent_info",
    help: "Always 1",
    labelNames: ["version"],
    registers,
  }).set({ version }, 1);
  new Gauge({
    name: "outsock_agent_ready",
    help: "1 when the agent can serve pods",
    registers,
    collect() {
      this.set(ready() ? 1 : 0);
    },
  });
  new Gauge({
    name: "outsock_agent_untouched_containers",
    help: "Containers of guests' pods whose Node.js runs natively, because it cannot be a guest",
    registers,
    collect() {
      this.set(untouched());
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system time of the agent",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory of the agent, with its share of the guests' regions",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });

  // Gauges: what a guest's processes have done is gone with them.
  const processes = new Gauge({
    name: "outsock_guest_processes",
    help: "Node processes of a container that are guest processes",
    labelNames: OF_GUEST,
    registers,
  });
  const open = new Gauge({
    name: "outsock_guest_open_connections",
    help: "Connections of a container that are open",
    labelNames: OF_GUEST,
    registers,
  });
  const connections = new Gauge({
    name: "outsock_guest_connections",
    help: "Connections since its processes started, by the way that they took and why",
    labelNames: [...OF_GUEST, "path"],
    registers,
  });
  const bytes = new Gauge({
    name: "outsock_guest_bytes",
    help: "Bytes since its processes started; those of the shortcut are the guest's word",
    labelNames: [...OF_GUEST, "path"],
    registers,
  });
  const show = (guests: readonly ContainerStatus[]): void => {
    for (const gauge of [processes, open, connections, bytes]) gauge.reset();
    for (const guest of guests) {
      const { namespace, pod, container, shortcut, relay, reasons } = guest;
      const of = { namespace, pod, container };
      processes.set(of, guest.processes);
      open.set(of, guest.connections);
      connections.set({ ...of, path: "shortcut" }, shortcut.connections);
      for (const [path, n] of Object.entries(reasons)) connections.set({ ...of, path }, n);
      bytes.set({ ...of, path: "shortcut" }, shortcut.bytes);
      bytes.set({ ...of, path: "relay" }, relay.bytes);
    }
  };
  return { registry, show };
}
