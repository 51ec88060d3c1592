import { isGoing, usesDriver, workloadOf } from "../pods/facts.ts";
import type { Pod } from "../pods/types.ts";

/** A workload as far as rolling it goes. */
export interface Rollable {
  kind: string;
  namespace: string;
  name: string;
  /** Changing the template replaces no pods: a paused Deployment, or the strategy OnDelete. */
  standsStill: boolean;
  /** Its own template asks for the volume, as RUBiS's of the release: no pod of it can be native. */
  asksForVolume: boolean;
}

export interface Release {
  /** Workloads whose pods are to be made anew by a change of the template. */
  roll: Rollable[];
  /** Workloads of the release's own, which go with it: to no replicas. */
  stop: Rollable[];
  /** Pods whose owner makes them anew when they are evicted. */
  evict: Pod[];
  /** Pods that nobody would make anew: they are waited for. */
  leave: Pod[];
}

const REMADE = ["ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Deployment"];

/** How the pods that still use the driver get rid of it. */
export function planRelease(
  pods: readonly Pod[],
  workloads: ReadonlyMap<string, Rollable>,
  releaseNamespace: string,
): Release {
  const roll = new Map<string, Rollable>();
  const stop = new Map<string, Rollable>();
  const evict: Pod[] = [];
  const leave: Pod[] = [];
  for (const pod of pods) {
    // One that is going needs no push, only time.
    if (!usesDriver(pod) || isGoing(pod)) continue;
    const owner = workloadOf(pod);
    const key = owner && workloadId(owner.kind, pod.metadata.namespace ?? "", owner.name);
    const workload = key === undefined ? undefined : workloads.get(key);
    if (workload?.asksForVolume) {
      if (workload.namespace === releaseNamespace) stop.set(key!, workload);
      else leave.push(pod);
    } else if (workload && !workload.standsStill) roll.set(key!, workload);
    else if (owner && REMADE.includes(owner.kind)) evict.push(pod);
    else leave.push(pod);
  }
  return { roll: [...roll.values()], stop: [...stop.values()], evict, leave };
}

export function workloadId(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}
