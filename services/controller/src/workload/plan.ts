import { isMode, MODES } from "@outsock/abi";
import { FIELD_MANAGER, type KubeObject, RESOURCES } from "../kube/api.ts";
import type { Notice } from "../kube/events.ts";
import { ANNOTATIONS } from "../names.ts";
import type { Workload } from "../vm/types.ts";

/** A Deployment, StatefulSet or DaemonSet, as far as its mode goes. */
export interface AnnotatedWorkload extends KubeObject {
  /** The annotation on the workload itself. */
  mode?: string;
  /** The annotation on its pod template. */
  templateMode?: string;
  /** Whether that on the template was put there by the controller, and by nobody else. */
  templateModeIsOurs: boolean;
}

export type WorkloadAction = { do: "apply"; body: object } | { do: "say"; notice: Notice };

/** Keeps of a workload what `planWorkload` needs. */
export function viewWorkload(kind: string, workload: Workload): AnnotatedWorkload {
  const { managedFields = [], ...metadata } = workload.metadata;
  const mode = metadata.annotations?.[ANNOTATIONS.mode];
  const templateMode = workload.spec.template.metadata?.annotations?.[ANNOTATIONS.mode];
  const owners = managedFields.filter(({ fieldsV1 }) => ownsTemplateMode(fieldsV1));
  return {
    apiVersion: RESOURCES.deployments.apiVersion,
    kind,
    metadata,
    ...(mode === undefined ? {} : { mode }),
    ...(templateMode === undefined ? {} : { templateMode }),
    templateModeIsOurs:
      owners.length > 0 &&
      owners.every(({ manager, operation }) => manager === FIELD_MANAGER && operation === "Apply"),
  };
}

/** managedFields is a tree of keys: https://kubernetes.io/docs/reference/using-api/server-side-apply */
function ownsTemplateMode(fields: unknown): boolean {
  let at = fields;
  for (const key of [
    "f:spec",
    "f:template",
    "f:metadata",
    "f:annotations",
    `f:${ANNOTATIONS.mode}`,
  ]) {
    if (typeof at !== "object" || at === null || !(key in at)) return false;
    at = (at as Record<string, unknown>)[key];
  }
  return true;
}

/** Whether `planWorkload` may have something to do: most workloads of a cluster have not. */
export function concernsMode({ mode, templateModeIsOurs }: AnnotatedWorkload): boolean {
  return mode !== undefined || templateModeIsOurs;
}

/**
 * The annotation on the workload goes to its pod template, and away from there with it. What
 * somebody wrote into the template themselves counts, and is never touched.
 */
export function planWorkload(workload: AnnotatedWorkload): WorkloadAction[] {
  const { mode, templateMode, templateModeIsOurs, metadata } = workload;
  if (metadata.deletionTimestamp || isOfVirtualMachine(workload)) return [];
  const name = ANNOTATIONS.mode;
  if (mode === undefined) {
    if (templateMode === undefined || !templateModeIsOurs) return [];
    const note = `Took ${name} away from the pod template, as it is gone from the ${workload.kind}`;
    return [
      { do: "apply", body: applied(workload, undefined) },
      { do: "say", notice: { type: "Normal", reason: "ModeRemoved", note } },
    ];
  }
  if (!isMode(mode)) {
    const note = `${name}: "${mode}" is no mode; it may be ${MODES.join(" or ")}`;
    return [{ do: "say", notice: { type: "Warning", reason: "InvalidMode", note } }];
  }
  if (templateMode === mode) return [];
  if (templateMode !== undefined && !templateModeIsOurs) {
    const note = `${name} is "${mode}" on the ${workload.kind} but "${templateMode}" in its pod template; the template counts`;
    return [{ do: "say", notice: { type: "Warning", reason: "ModeDiffers", note } }];
  }
  const note = `Put ${name}: ${mode} into the pod template`;
  return [
    { do: "apply", body: applied(workload, mode) },
    { do: "say", notice: { type: "Normal", reason: "ModeCopied", note } },
  ];
}

function isOfVirtualMachine({ metadata }: KubeObject): boolean {
  return (
    metadata.ownerReferences?.some(
      ({ kind, controller }) => controller && kind === RESOURCES.virtualMachines.kind,
    ) ?? false
  );
}

/** What server-side apply is sent: this one field, and the uid, so that nothing is made anew. */
function applied({ apiVersion, kind, metadata }: AnnotatedWorkload, mode: string | undefined) {
  const { name, namespace, uid } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, uid },
    ...(mode === undefined
      ? {}
      : { spec: { template: { metadata: { annotations: { [ANNOTATIONS.mode]: mode } } } } }),
  };
}
