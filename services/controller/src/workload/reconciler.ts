import {
  APPLY,
  type ApiServer,
  isStatus,
  keyOf,
  pathOf,
  RESOURCES,
  type Resource,
} from "../kube/api.ts";
import type { EventRecorder } from "../kube/events.ts";
import { type AnnotatedWorkload, planWorkload } from "./plan.ts";

export const WORKLOADS: readonly Resource[] = [
  RESOURCES.deployments,
  RESOURCES.statefulSets,
  RESOURCES.daemonSets,
];

interface ReconcilerOptions {
  api: ApiServer;
  events: EventRecorder;
  get: (kind: string, key: string) => AnnotatedWorkload | undefined;
}

/** Carries `outsock.dev/mode` from workloads to their pod templates. Keys are `Kind:namespace/name`. */
export class WorkloadReconciler {
  private readonly options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.options = options;
  }

  async reconcile(key: string): Promise<void> {
    const { api, events, get } = this.options;
    const [kind = "", rest = ""] = key.split(":", 2);
    const resource = WORKLOADS.find((candidate) => candidate.kind === kind);
    const workload = get(kind, rest);
    if (!resource || !workload) return;
    const { namespace, name } = workload.metadata;
    for (const action of planWorkload(workload)) {
      if (action.do === "say") {
        await events.say(workload, action.notice);
        continue;
      }
      try {
        await api.patch(pathOf(resource, namespace, name), "apply", action.body, APPLY);
      } catch (error) {
        // Gone meanwhile, or somebody else's field by now: the next change tells.
        if (isStatus(error, 404) || isStatus(error, 409)) return;
        throw error;
      }
    }
  }
}

export function workloadKey(workload: AnnotatedWorkload): string {
  return `${workload.kind}:${keyOf(workload)}`;
}
