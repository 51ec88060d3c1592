import type { Notice } from "../kube/events.ts";
import { ANNOTATIONS, REQUIRE } from "../names.ts";
import { isGoing, modeOf, nativeReason, usesDriver, wasMissed, workloadOf } from "./facts.ts";
import type { LeftOut } from "./namespaces.ts";
import type { Pod } from "./types.ts";

/** What there is to say about a pod, and whether its workload should hear it too. */
export interface PodNotice {
  notice: Notice;
  alsoWorkload: boolean;
}

/** A volume that is not mounted after this long is waited for. */
const WAIT_MS = 15_000;
const NEW_MS = 10 * 60_000;

/** Whether the agent of a node is ready; undefined where the node has none. */
type AgentReady = (node: string) => boolean | undefined;

/** @param leftOut of a pod that missed the webhook: why its namespace does */
export function noticesOfPod(
  pod: Pod,
  agentReady: AgentReady,
  now: number,
  leftOut?: LeftOut,
): PodNotice[] {
  if (isGoing(pod)) return [];
  const why = nativeReason(pod);
  if (why) {
    const note = `The pod runs natively: ${why}`;
    return [{ notice: { type: "Warning", reason: "Native", note }, alsoWorkload: true }];
  }
  if (wasMissed(pod)) {
    // Who puts the label there knows.
    if (leftOut === "label") return [];
    const note = missed(pod, leftOut);
    return [{ notice: { type: "Warning", reason: "NotInjected", note }, alsoWorkload: true }];
  }
  if (!usesDriver(pod)) return [];
  const notices: PodNotice[] = [];
  // Of a pod that is there for long, a new leader has nothing new to say.
  if (now - Date.parse(pod.metadata.creationTimestamp ?? "") < NEW_MS) {
    notices.push({ notice: injected(pod), alsoWorkload: false });
  }
  const waiting = waitingFor(pod, agentReady, now);
  if (waiting) {
    const notice = { type: "Warning", reason: "WaitingForAgent", note: waiting } as const;
    notices.push({ notice, alsoWorkload: false });
  }
  return notices;
}

/** Milliseconds after which to look at the pod again, if nothing changes before. */
export function lookAgain(pod: Pod): number | undefined {
  return usesDriver(pod) && !isGoing(pod) && isWaiting(pod) ? WAIT_MS : undefined;
}

function missed(pod: Pod, leftOut: LeftOut | undefined): string {
  const what = "The pod asks to be a guest but runs natively:";
  if (leftOut !== undefined) {
    return `${what} namespace ${pod.metadata.namespace} is one of those that Outsock leaves out (its own, kube-system, and webhook.excludedNamespaces)`;
  }
  const workload = workloadOf(pod);
  const again = workload
    ? `kubectl rollout restart ${workload.kind.toLowerCase()} ${workload.name}`
    : "making it anew";
  return `${what} it was made while Outsock's webhook did not answer, or before it was there; ${again} makes it a guest`;
}

function injected(pod: Pod): Notice {
  const guests = pod.spec.containers.filter(({ env }) =>
    env?.some(({ name }) => name === "OUTSOCK_GUEST"),
  );
  const names = guests.map(({ name }) => name).join(", ");
  // Nothing joined: then the image's own, if it has any, is replaced unseen.
  const unseen = guests.some(({ env }) =>
    env?.some(({ name, value }) => name === "NODE_OPTIONS" && value === REQUIRE),
  );
  const hint = unseen
    ? `. NODE_OPTIONS set in an image cannot be seen here and is replaced: restate it in ${ANNOTATIONS.nodeOptions}`
    : "";
  return {
    type: "Normal",
    reason: "Injected",
    note: `Node.js in ${names || "the chosen containers"} runs as a guest, mode ${modeOf(pod)}${hint}`,
  };
}

function isWaiting(pod: Pod): boolean {
  return (
    pod.spec.nodeName !== undefined &&
    pod.status?.phase === "Pending" &&
    !pod.status.containerStatuses?.some(({ state }) => state?.running || state?.terminated)
  );
}

function waitingFor(pod: Pod, agentReady: AgentReady, now: number): string | undefined {
  const { nodeName } = pod.spec;
  if (!nodeName || !isWaiting(pod)) return undefined;
  const ready = agentReady(nodeName);
  if (ready === true) return undefined;
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled") as
    | { lastTransitionTime?: string }
    | undefined;
  const since = Date.parse(scheduled?.lastTransitionTime ?? pod.metadata.creationTimestamp ?? "");
  if (now - since < WAIT_MS) return undefined;
  const why =
    ready === undefined
      ? `no Outsock agent runs on node ${nodeName}: its DaemonSet may not tolerate the node's taints or select its labels`
      : `the Outsock agent on node ${nodeName} is not ready yet`;
  return `The pod waits for its volume, because ${why}. It starts as soon as the agent is there; ${ANNOTATIONS.mode}: native starts it without`;
}
