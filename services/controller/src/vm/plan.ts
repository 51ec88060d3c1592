import type { Notice } from "../kube/events.ts";
import { FINALIZER } from "../names.ts";
import type { Pod } from "../pods/types.ts";
import { desiredDeployment } from "./desired.ts";
import type { VirtualMachine, VirtualMachineStatus, Workload } from "./types.ts";

/** What to do about a VirtualMachine, in this order. */
export type Action =
  | { do: "add-finalizer" }
  | { do: "remove-finalizer" }
  | { do: "apply"; deployment: object }
  | { do: "delete-deployment"; uid: string }
  | { do: "say"; notice: Notice };

export interface Seen {
  vm: VirtualMachine;
  deployment: Workload | undefined;
  /** Pods of the VirtualMachine, those that are going included. */
  pods: Pod[];
}

/**
 * From what is seen to what is to be done. The finalizer keeps the VirtualMachine until its last
 * pod is gone: one that is no longer there runs nowhere.
 */
export function plan({ vm, deployment, pods }: Seen, guestImage: string): Action[] {
  const { finalizers = [], deletionTimestamp, uid } = vm.metadata;
  const ours = deployment?.metadata.ownerReferences?.some(
    (owner) => owner.controller && owner.uid === uid,
  );
  if (deletionTimestamp) {
    if (!finalizers.includes(FINALIZER)) return [];
    if (deployment && ours) {
      if (deployment.metadata.deletionTimestamp) return [];
      return [
        { do: "delete-deployment", uid: deployment.metadata.uid! },
        {
          do: "say",
          notice: { type: "Normal", reason: "Stopping", note: "Its guests are stopped" },
        },
      ];
    }
    return pods.length > 0 ? [] : [{ do: "remove-finalizer" }];
  }
  if (deployment && !ours) {
    const note = `A Deployment ${vm.metadata.name} is there that belongs to somebody else; rename one of the two`;
    return [{ do: "say", notice: { type: "Warning", reason: "Degraded", note } }];
  }
  return [
    ...(finalizers.includes(FINALIZER) ? [] : [{ do: "add-finalizer" } as const]),
    { do: "apply", deployment: desiredDeployment(vm, guestImage) },
  ];
}

/** What is worth an event between the old status and the new one. */
export function noticesOf(
  before: VirtualMachineStatus | undefined,
  now: VirtualMachineStatus,
): Notice[] {
  const find = (status: VirtualMachineStatus | undefined, type: string) =>
    status?.conditions?.find((condition) => condition.type === type);
  const notices: Notice[] = [];
  const degraded = find(now, "Degraded");
  const was = find(before, "Degraded");
  if (degraded?.status === "True" && (was?.status !== "True" || was.reason !== degraded.reason)) {
    const note = `${degraded.reason}: ${degraded.message}`;
    notices.push({ type: "Warning", reason: "Degraded", note });
  }
  const ready = find(now, "Ready");
  if (ready?.status === "True" && find(before, "Ready")?.status !== "True") {
    notices.push({ type: "Normal", reason: "Ready", note: ready.message });
  }
  return notices;
}
