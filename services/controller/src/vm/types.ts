import type { Mode } from "@outsock/abi";
import type { KubeObject } from "../kube/api.ts";
import type { EnvFrom, EnvVar, PodTemplate, VolumeMount } from "../pods/types.ts";

/** A VirtualMachine as the CRD lets it through; what only passes into the pod is `unknown`. */
export interface VirtualMachineSpec {
  image?: string;
  imagePullPolicy?: string;
  imagePullSecrets?: { name: string }[];
  command?: string[];
  args?: string[];
  workingDir?: string;
  program?: { configMap?: string; volume?: string; file: string };
  env?: EnvVar[];
  envFrom?: EnvFrom[];
  ports?: { name: string; port: number; protocol?: string }[];
  mode?: Mode;
  shortcut?: boolean;
  replicas?: number;
  resources?: unknown;
  nodeSelector?: Record<string, string>;
  tolerations?: unknown[];
  affinity?: unknown;
  topologySpreadConstraints?: unknown[];
  volumes?: { name: string; [source: string]: unknown }[];
  volumeMounts?: VolumeMount[];
  serviceAccountName?: string;
  securityContext?: {
    runAsUser?: number;
    runAsGroup?: number;
    fsGroup?: number;
    supplementalGroups?: number[];
    readOnlyRootFilesystem?: boolean;
  };
  terminationGracePeriodSeconds?: number;
  readinessProbe?: unknown;
  livenessProbe?: unknown;
  startupProbe?: unknown;
}

export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  observedGeneration?: number;
  lastTransitionTime: string;
  reason: string;
  message: string;
}

export interface VirtualMachineStatus {
  phase?: string;
  mode?: string;
  node?: string;
  address?: string;
  connections?: number;
  shortcutShare?: string;
  replicas?: number;
  readyReplicas?: number;
  selector?: string;
  observedGeneration?: number;
  conditions?: Condition[];
}

export interface VirtualMachine extends KubeObject {
  spec: VirtualMachineSpec;
  status?: VirtualMachineStatus;
}

export interface Workload extends KubeObject {
  spec: { replicas?: number; template: PodTemplate; [field: string]: unknown };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}
