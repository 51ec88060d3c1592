import type { Agents } from "../agents/guests.ts";
import type { Clock } from "../clock.ts";
import type { KubeObject } from "../kube/api.ts";
import type { EventRecorder } from "../kube/events.ts";
import { LABELS } from "../names.ts";
import { wasMissed, workloadOf } from "./facts.ts";
import type { Namespaces } from "./namespaces.ts";
import { lookAgain, noticesOfPod } from "./notices.ts";
import type { Pod } from "./types.ts";

interface ReconcilerOptions {
  clock: Clock;
  events: EventRecorder;
  agents: Agents;
  namespaces: Pick<Namespaces, "leftOut">;
  get: (key: string) => Pod | undefined;
  /** A Deployment and its like, by kind and `namespace/name`. */
  workload: (kind: string, key: string) => KubeObject | undefined;
}

/** Says what there is to say about pods: nothing else tells a user why a pod is no guest. */
export class PodReconciler {
  private readonly options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.options = options;
  }

  /** The result says after how many milliseconds to look again. */
  async reconcile(key: string): Promise<number | undefined> {
    const { clock, events, agents, namespaces, get } = this.options;
    const pod = get(key);
    if (!pod) return undefined;
    const leftOut = wasMissed(pod)
      ? await namespaces.leftOut(pod.metadata.namespace ?? "")
      : undefined;
    const notices = noticesOfPod(pod, (node) => agents.readyOn(node), clock.now(), leftOut);
    for (const { notice, alsoWorkload } of notices) {
      await events.say(pod, notice);
      const owner = alsoWorkload ? this.ownerOf(pod) : undefined;
      if (owner) await events.say(owner, notice);
    }
    return lookAgain(pod);
  }

  private ownerOf(pod: Pod): KubeObject | undefined {
    const { namespace = "", labels } = pod.metadata;
    // A VirtualMachine says it by its condition Degraded.
    if (labels?.[LABELS.virtualMachine]) return undefined;
    const owner = workloadOf(pod);
    return owner && this.options.workload(owner.kind, `${namespace}/${owner.name}`);
  }
}
