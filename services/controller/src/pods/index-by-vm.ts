import { keyOf } from "../kube/api.ts";
import { LABELS } from "../names.ts";
import type { Pod } from "./types.ts";

/** Pods by the VirtualMachine that their label names, and those that are agents. */
export class PodIndex {
  private readonly byVm = new Map<string, Map<string, Pod>>();
  private readonly agentPods = new Map<string, Pod>();
  private readonly isAgent: (pod: Pod) => boolean;

  constructor(isAgent: (pod: Pod) => boolean) {
    this.isAgent = isAgent;
  }

  change(now: Pod | undefined, before: Pod | undefined): void {
    if (before) {
      const key = keyOf(before);
      const vm = vmOfPod(before);
      const pods = vm === undefined ? undefined : this.byVm.get(vm);
      pods?.delete(key);
      if (vm !== undefined && pods?.size === 0) this.byVm.delete(vm);
      this.agentPods.delete(key);
    }
    if (!now) return;
    const vm = vmOfPod(now);
    if (vm !== undefined) {
      let pods = this.byVm.get(vm);
      if (!pods) {
        pods = new Map();
        this.byVm.set(vm, pods);
      }
      pods.set(keyOf(now), now);
    }
    if (this.isAgent(now)) this.agentPods.set(keyOf(now), now);
  }

  of(vmKey: string): Pod[] {
    return [...(this.byVm.get(vmKey)?.values() ?? [])];
  }

  agents(): Pod[] {
    return [...this.agentPods.values()];
  }
}

/** `namespace/name` of the VirtualMachine. */
export function vmOfPod(pod: Pod): string | undefined {
  const name = pod.metadata.labels?.[LABELS.virtualMachine];
  return name === undefined ? undefined : `${pod.metadata.namespace ?? ""}/${name}`;
}
