import { NATIVE } from "@outsock/abi";
import type { GuestReport } from "../agents/guests.ts";
import { LABELS } from "../names.ts";
import { isGoing, isReady, modeOf, nativeReason, usesDriver, wasMissed } from "../pods/facts.ts";
import type { LeftOut } from "../pods/namespaces.ts";
import type { Pod } from "../pods/types.ts";
import { selectorOf, wantedMode } from "./desired.ts";
import type { Condition, VirtualMachine, VirtualMachineStatus, Workload } from "./types.ts";

export interface Observed {
  vm: VirtualMachine;
  deployment: Workload | undefined;
  /** Why the API server does not take the Deployment. */
  refused?: string | undefined;
  pods: Pod[];
  /** Why the webhook does not see the namespace, as far as a pod missed it. */
  leftOut?: LeftOut | undefined;
  /** By pod uid. */
  guests: ReadonlyMap<string, GuestReport[]>;
  /** Nodes whose agent did not answer, with why. */
  silent: ReadonlyMap<string, string>;
  now: number;
}

/** Time that a guest's process has to attach after its container started. */
const ATTACH_MS = 30_000;

/** The status of a VirtualMachine from what is seen of it. */
export function statusOf(observed: Observed): VirtualMachineStatus {
  const { vm, deployment, guests } = observed;
  const pods = observed.pods
    .filter((pod) => !isGoing(pod))
    .sort((a, b) => Number(isReady(b)) - Number(isReady(a)) || compare(a, b));
  const running = pods.filter((pod) => pod.status?.phase === "Running");
  const wanted = vm.spec.replicas ?? 1;
  const ready = pods.filter(isReady).length;
  const trouble = troubleOf(observed, pods);
  const modes = new Set(running.map(modeOf));
  const reports = running.flatMap((pod) => guests.get(pod.metadata.uid ?? "") ?? []);
  const generation = vm.metadata.generation ?? 0;
  const upToDate =
    deployment?.status?.observedGeneration === deployment?.metadata.generation &&
    (deployment?.status?.updatedReplicas ?? 0) >= wanted;

  return {
    phase: phaseOf(vm, wanted, ready, trouble),
    mode: modes.size === 0 ? "" : modes.size === 1 ? [...modes][0]! : "mixed",
    node: some(running.map((pod) => pod.spec.nodeName)),
    address: some(running.map((pod) => pod.status?.podIP)),
    connections: reports.reduce((sum, report) => sum + report.connections, 0),
    shortcutShare: shareOf(reports),
    replicas: pods.length,
    readyReplicas: ready,
    selector: Object.entries(selectorOf(vm))
      .map(([name, value]) => `${name}=${value}`)
      .join(","),
    observedGeneration: generation,
    conditions: [
      condition(observed, readyCondition(wanted, ready, upToDate)),
      condition(observed, {
        type: "Degraded",
        status: trouble ? "True" : "False",
        reason: trouble?.reason ?? "AsWanted",
        message: trouble?.message ?? "",
      }),
    ],
  };
}

function compare(a: Pod, b: Pod): number {
  return (a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1;
}

function phaseOf(
  vm: VirtualMachine,
  wanted: number,
  ready: number,
  trouble: Trouble | undefined,
): string {
  if (vm.metadata.deletionTimestamp) return "Stopping";
  if (wanted === 0) return "Stopped";
  if (trouble) return "Degraded";
  return ready >= wanted ? "Running" : "Pending";
}

type Draft = Pick<Condition, "type" | "status" | "reason" | "message">;

function readyCondition(wanted: number, ready: number, upToDate: boolean): Draft {
  const message = `${ready} of ${wanted} guests are ready`;
  if (ready < wanted) return { type: "Ready", status: "False", reason: "GuestsNotReady", message };
  if (!upToDate) {
    return {
      type: "Ready",
      status: "True",
      reason: "RollingOut",
      message: `${message}; not all run what the specification says yet`,
    };
  }
  return { type: "Ready", status: "True", reason: "GuestsReady", message };
}

function condition({ vm, now }: Observed, draft: Draft): Condition {
  const before = vm.status?.conditions?.find(({ type }) => type === draft.type);
  return {
    ...draft,
    observedGeneration: vm.metadata.generation ?? 0,
    lastTransitionTime:
      before?.status === draft.status
        ? before.lastTransitionTime
        : new Date(now).toISOString().replace(/\.\d+Z$/, "Z"),
  };
}

interface Trouble {
  reason: string;
  message: string;
}

/** The first thing that is not as the VirtualMachine wants it, most telling first. */
function troubleOf(observed: Observed, pods: Pod[]): Trouble | undefined {
  const { deployment, refused, guests, silent, now } = observed;
  if (refused !== undefined) return { reason: "DeploymentRefused", message: refused };
  const failed = deployment?.status?.conditions?.find(
    ({ type, status }) => type === "ReplicaFailure" && status === "True",
  );
  if (failed) return { reason: "PodsRefused", message: failed.message ?? "" };

  for (const pod of pods) {
    const waiting = waitingContainer(pod);
    if (waiting) {
      const message = `pod ${pod.metadata.name}: ${waiting.message}`;
      return { reason: waiting.reason, message };
    }
  }
  for (const pod of pods) {
    const name = pod.metadata.name;
    const why = nativeReason(pod);
    if (why) return { reason: "Native", message: `pod ${name} runs natively: ${why}` };
    if (wasMissed(pod)) {
      return { reason: "NotInjected", message: `pod ${name} runs natively: ${missed(observed)}` };
    }
  }
  if (wantedMode(observed.vm) === NATIVE) return undefined;

  for (const pod of pods) {
    const { nodeName } = pod.spec;
    if (!usesDriver(pod) || !nodeName) continue;
    const silence = silent.get(nodeName);
    if (silence) {
      return {
        reason: "AgentSilent",
        message: `the agent of node ${nodeName} does not say how its guests are: ${silence}`,
      };
    }
    if (!guests.has(pod.metadata.uid ?? "") && runsSince(pod, now) > ATTACH_MS) {
      return {
        reason: "NoGuestProcess",
        message: `no process of pod ${pod.metadata.name} has attached to the agent: does it run node, with NODE_OPTIONS as the pod sets it?`,
      };
    }
  }
  return undefined;
}

function missed({ vm, leftOut }: Observed): string {
  switch (leftOut) {
    case "label":
      return `namespace ${vm.metadata.namespace} opts out by its label ${LABELS.inject}: disabled`;
    case "release":
      return `namespace ${vm.metadata.namespace} is one of those that Outsock leaves out`;
    default:
      return `it was made while the webhook did not answer; kubectl rollout restart deployment ${vm.metadata.name} makes it a guest`;
  }
}

const BAD_WAITS =
  /^(CrashLoopBackOff|ImagePullBackOff|ErrImagePull|InvalidImageName|CreateContainerConfigError|CreateContainerError|RunContainerError)$/;

function waitingContainer(pod: Pod): Trouble | undefined {
  for (const { name, state } of pod.status?.containerStatuses ?? []) {
    const { reason, message } = state?.waiting ?? {};
    if (reason && BAD_WAITS.test(reason)) {
      return { reason, message: `container ${name}: ${message ?? reason}` };
    }
  }
  return undefined;
}

function runsSince(pod: Pod, now: number): number {
  const starts = (pod.status?.containerStatuses ?? []).flatMap(({ state }) =>
    state?.running?.startedAt ? [Date.parse(state.running.startedAt)] : [],
  );
  return starts.length === 0 ? 0 : now - Math.max(...starts);
}

/** Up to three values, and how many more there are. */
function some(values: (string | undefined)[]): string {
  const different = [...new Set(values.filter((value) => value !== undefined && value !== ""))];
  const shown = different.slice(0, 3).join(",");
  return different.length > 3 ? `${shown},+${different.length - 3}` : shown;
}

/** The shortcut's share of the bytes, or of the connections while no byte has moved. */
function shareOf(reports: GuestReport[]): string {
  const sum = (of: (report: GuestReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0);
  let part = sum(({ shortcut }) => shortcut.bytes);
  let all = part + sum(({ relay }) => relay.bytes);
  if (all === 0) {
    part = sum(({ shortcut }) => shortcut.connections);
    all = part + sum(({ relay }) => relay.connections);
  }
  return all === 0 ? "" : `${Math.round((100 * part) / all)}%`;
}
