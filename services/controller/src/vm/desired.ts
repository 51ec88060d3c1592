import { type Mode, NATIVE } from "@outsock/abi";
import { FIELD_MANAGER, type OwnerReference, RESOURCES } from "../kube/api.ts";
import { ANNOTATIONS, LABELS } from "../names.ts";
import type { VirtualMachine, VirtualMachineSpec } from "./types.ts";

/** Where a program of `spec.program` is found in the pod. */
const PROGRAM_PATH = "/program";
const PROGRAM_VOLUME = "outsock-program";
const CONTAINER = "guest";
const DEFAULT_MODE: Mode = "outsourced";
/** Endpoints are told of a pod's end at the time of its SIGTERM; this is for them to hear it. */
const DRAIN_SECONDS = 5;

export function wantedMode(vm: VirtualMachine): Mode {
  return vm.spec.mode ?? DEFAULT_MODE;
}

export function selectorOf(vm: VirtualMachine): Record<string, string> {
  return { [LABELS.virtualMachine]: vm.metadata.name! };
}

function ownerReference(vm: VirtualMachine): OwnerReference {
  return {
    apiVersion: RESOURCES.virtualMachines.apiVersion,
    kind: RESOURCES.virtualMachines.kind,
    name: vm.metadata.name!,
    uid: vm.metadata.uid!,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * The Deployment of a VirtualMachine, as it is applied: only fields that the controller owns. The
 * pods become guests as any annotated pod does, by the webhook.
 */
export function desiredDeployment(vm: VirtualMachine, guestImage: string): object {
  const { spec } = vm;
  const labels = {
    "app.kubernetes.io/name": vm.metadata.name!,
    "app.kubernetes.io/managed-by": FIELD_MANAGER,
    ...selectorOf(vm),
  };
  return {
    apiVersion: RESOURCES.deployments.apiVersion,
    kind: RESOURCES.deployments.kind,
    metadata: {
      name: vm.metadata.name,
      namespace: vm.metadata.namespace,
      labels,
      ownerReferences: [ownerReference(vm)],
    },
    spec: {
      replicas: spec.replicas ?? 1,
      selector: { matchLabels: selectorOf(vm) },
      // No request may fail while guests are replaced, so the new one is ready first.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels, annotations: annotations(vm) },
        spec: podSpec(spec, guestImage),
      },
    },
  };
}

function annotations(vm: VirtualMachine): Record<string, string> {
  const mode = wantedMode(vm);
  return {
    [ANNOTATIONS.mode]: mode,
    ...(mode !== NATIVE && vm.spec.shortcut === false ? { [ANNOTATIONS.noShortcut]: "true" } : {}),
  };
}

function podSpec(spec: VirtualMachineSpec, guestImage: string): object {
  const { readOnlyRootFilesystem, ...podSecurity } = spec.securityContext ?? {};
  const grace = spec.terminationGracePeriodSeconds ?? 30;
  const drain = Math.min(DRAIN_SECONDS, Math.floor(grace / 2));
  const volumes: object[] = [...(spec.volumes ?? [])];
  if (spec.program?.configMap) {
    volumes.push({ name: PROGRAM_VOLUME, configMap: { name: spec.program.configMap } });
  }
  return defined({
    // As Pod Security's `restricted` wants it.
    securityContext: {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
      ...podSecurity,
    },
    automountServiceAccountToken: spec.serviceAccountName !== undefined,
    serviceAccountName: spec.serviceAccountName,
    // Variables for each Service of the namespace are a surprise in a virtual machine.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: grace,
    imagePullSecrets: spec.imagePullSecrets,
    nodeSelector: spec.nodeSelector,
    tolerations: spec.tolerations,
    affinity: spec.affinity,
    topologySpreadConstraints: spec.topologySpreadConstraints,
    volumes: volumes.length > 0 ? volumes : undefined,
    containers: [
      defined({
        name: CONTAINER,
        image: spec.image ?? guestImage,
        imagePullPolicy: spec.imagePullPolicy,
        ...start(spec),
        env: spec.env,
        envFrom: spec.envFrom,
        ports: spec.ports?.map(({ name, port, protocol }) => ({
          name,
          containerPort: port,
          protocol: protocol ?? "TCP",
        })),
        resources: spec.resources,
        volumeMounts: mounts(spec),
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          ...(readOnlyRootFilesystem === undefined ? {} : { readOnlyRootFilesystem }),
        },
        readinessProbe: spec.readinessProbe,
        livenessProbe: spec.livenessProbe,
        startupProbe: spec.startupProbe,
        lifecycle:
          spec.ports?.length && drain > 0 ? { preStop: { sleep: { seconds: drain } } } : undefined,
      }),
    ],
  });
}

function start({ program, command, args, workingDir }: VirtualMachineSpec): object {
  if (!program) return defined({ command, args, workingDir });
  return defined({
    command: ["node", `${PROGRAM_PATH}/${program.file}`],
    args,
    workingDir: workingDir ?? PROGRAM_PATH,
  });
}

function mounts({ program, volumeMounts }: VirtualMachineSpec): object[] | undefined {
  const all: object[] = [...(volumeMounts ?? [])];
  if (program) {
    const name = program.volume ?? PROGRAM_VOLUME;
    all.push({ name, mountPath: PROGRAM_PATH, readOnly: true });
  }
  return all.length > 0 ? all : undefined;
}

/** Without the fields that are undefined: server-side apply owns what it is sent. */
function defined<T extends object>(object: T): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
