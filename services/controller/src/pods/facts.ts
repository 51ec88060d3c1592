import { isMode, type Mode, NATIVE } from "@outsock/abi";
import { ANNOTATIONS, CSI_DRIVER, LABELS } from "../names.ts";
import type { Pod } from "./types.ts";

/** What can be told from a pod alone. */

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false;
}

export function isGoing(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp !== undefined ||
    pod.status?.phase === "Succeeded" ||
    pod.status?.phase === "Failed"
  );
}

export function usesDriver(pod: Pod): boolean {
  return pod.spec.volumes?.some((volume) => volume.csi?.driver === CSI_DRIVER) ?? false;
}

/** The mode that the pod's annotation asks for; undefined without one, or with an unknown one. */
function modeWanted(pod: Pod): Mode | undefined {
  const text = pod.metadata.annotations?.[ANNOTATIONS.mode];
  return text !== undefined && isMode(text) ? text : undefined;
}

/** The mode in force. */
export function modeOf(pod: Pod): Mode {
  return usesDriver(pod) ? (modeWanted(pod) ?? NATIVE) : NATIVE;
}

/** Why the webhook let the pod be, in its words; undefined where it did not. */
export function nativeReason(pod: Pod): string | undefined {
  const status = pod.metadata.annotations?.[ANNOTATIONS.status];
  return status?.startsWith("native: ") ? status.slice("native: ".length) : undefined;
}

/** The pod asks to be a guest and is none, and nobody says why: it did not pass the webhook. */
export function wasMissed(pod: Pod): boolean {
  const wanted = modeWanted(pod);
  return (
    wanted !== undefined &&
    wanted !== NATIVE &&
    !usesDriver(pod) &&
    nativeReason(pod) === undefined &&
    pod.metadata.labels?.[LABELS.inject] !== "disabled"
  );
}

/** The workload that a pod belongs to, by the names that Kubernetes gives. */
export function workloadOf(pod: Pod): { kind: string; name: string } | undefined {
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller);
  if (!owner) return undefined;
  const hash = pod.metadata.labels?.["pod-template-hash"];
  if (owner.kind === "ReplicaSet" && hash && owner.name.endsWith(`-${hash}`)) {
    return { kind: "Deployment", name: owner.name.slice(0, -hash.length - 1) };
  }
  return { kind: owner.kind, name: owner.name };
}

/** Drops what is not read: a cluster's pods are many. */
export function trimPod(pod: Pod): Pod {
  const { managedFields: _, ...metadata } = pod.metadata;
  const annotations = Object.fromEntries(
    Object.entries(metadata.annotations ?? {}).filter(([name]) => name.startsWith("outsock.dev/")),
  );
  const { nodeName, containers, volumes } = pod.spec;
  const { phase, podIP, conditions, containerStatuses } = pod.status ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, annotations },
    spec: {
      ...(nodeName ? { nodeName } : {}),
      containers: containers.map(({ name, env }) => ({
        name,
        env: (env ?? [])
          .filter((variable) =>
            /^(NODE_OPTIONS|OUTSOCK_GUEST|OUTSOCK_NODE_OPTIONS)$/.test(variable.name),
          )
          .slice(0, 16),
      })),
      volumes: (volumes ?? []).filter((volume) => volume.csi?.driver === CSI_DRIVER),
    },
    status: {
      ...(phase ? { phase } : {}),
      ...(podIP ? { podIP } : {}),
      ...(conditions ? { conditions } : {}),
      ...(containerStatuses ? { containerStatuses } : {}),
    },
  };
}
