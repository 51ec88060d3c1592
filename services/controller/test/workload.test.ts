import { describe, expect, test } from "vitest";
import { trimPod } from "../src/pods/facts.ts";
import { lookAgain, noticesOfPod } from "../src/pods/notices.ts";
import type { Pod } from "../src/pods/types.ts";
import type { Workload } from "../src/vm/types.ts";
import {
  type AnnotatedWorkload,
  concernsMode,
  planWorkload,
  viewWorkload,
} from "../src/workload/plan.ts";
import { fixture } from "./fixtures.ts";

function workload(change: Partial<AnnotatedWorkload> = {}): AnnotatedWorkload {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", namespace: "ns", uid: "u" },
    templateModeIsOurs: false,
    ...change,
  };
}

const summary = (one: AnnotatedWorkload) =>
  planWorkload(one).map((action) => (action.do === "say" ? action.notice.reason : "apply"));

describe("the annotation of a workload", () => {
  test("recorded Deployment whose mode was copied, it is seen as ours and nothing is to do", () => {
    const view = viewWorkload("Deployment", fixture<Workload>("deployment-mode-copied"));
    expect(view).toMatchObject({
      mode: "outsourced",
      templateMode: "outsourced",
      templateModeIsOurs: true,
    });
    expect(concernsMode(view)).toBe(true);
    expect(planWorkload(view)).toEqual([]);
  });

  test("recorded Deployment, its annotation goes, the template's goes too by an apply without it", () => {
    const recorded = fixture<Workload>("deployment-mode-copied");
    delete recorded.metadata.annotations;
    const [apply, say] = planWorkload(viewWorkload("Deployment", recorded));
    expect(apply).toEqual({
      do: "apply",
      body: {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web", namespace: "control-try", uid: recorded.metadata.uid },
      },
    });
    expect(say).toMatchObject({ notice: { reason: "ModeRemoved" } });
  });

  test("it is there and the template has none, only it is applied", () => {
    expect(planWorkload(workload({ mode: "outsourced" }))[0]).toEqual({
      do: "apply",
      body: {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { name: "db", namespace: "ns", uid: "u" },
        spec: { template: { metadata: { annotations: { "outsock.dev/mode": "outsourced" } } } },
      },
    });
  });

  test.each<[string, Partial<AnnotatedWorkload>, string[]]>([
    [
      "changed",
      { mode: "native", templateMode: "outsourced", templateModeIsOurs: true },
      ["apply", "ModeCopied"],
    ],
    [
      "the template's own differs: it counts",
      { mode: "native", templateMode: "outsourced" },
      ["ModeDiffers"],
    ],
    ["the template's own is the same", { mode: "native", templateMode: "native" }, []],
    ["none, the template's own stays", { templateMode: "outsourced" }, []],
    ["unknown mode", { mode: "fast" }, ["InvalidMode"]],
    ["none at all", {}, []],
    ["being deleted", { mode: "native", metadata: { name: "db", deletionTimestamp: "x" } }, []],
    [
      "of a VirtualMachine",
      {
        mode: "native",
        metadata: {
          ownerReferences: [
            { apiVersion: "", kind: "VirtualMachine", name: "v", uid: "u", controller: true },
          ],
        },
      },
      [],
    ],
  ])("%s", (_, change, expected) => {
    expect(summary(workload(change))).toEqual(expected);
  });
});

describe("what is said about a pod", () => {
  const [missed] = fixture<{ items: Pod[] }>("pods-missed").items.map(trimPod);
  const [waiting] = fixture<{ items: Pod[] }>("pods-waiting").items.map(trimPod);
  const created = Date.parse(waiting!.metadata.creationTimestamp!);
  const reasons = (pod: Pod, agent: boolean | undefined, now = created + 20_000) =>
    noticesOfPod(pod, () => agent, now).map(({ notice }) => notice.reason);

  test("recorded pod that missed the webhook, it and its Deployment are told how to make it a guest", () => {
    const [told] = noticesOfPod(missed!, () => true, created);
    expect(told).toMatchObject({
      alsoWorkload: true,
      notice: { type: "Warning", reason: "NotInjected" },
    });
    expect(told?.notice.note).toContain("kubectl rollout restart deployment web");
  });

  test("recorded pod that missed the webhook in a namespace that is left out, no restart is advised", () => {
    expect(noticesOfPod(missed!, () => true, created, "label")).toEqual([]);
    const [told] = noticesOfPod(missed!, () => true, created, "release");
    expect(told?.notice.reason).toBe("NotInjected");
    expect(told?.notice.note).toContain("is one of those that Outsock leaves out");
    expect(told?.notice.note).not.toContain("kubectl");
  });

  test("recorded pod whose volume cannot be mounted, the node has no agent, it says so after a while", () => {
    expect(reasons(waiting!, undefined)).toEqual(["Injected", "WaitingForAgent"]);
    expect(reasons(waiting!, false)).toEqual(["Injected", "WaitingForAgent"]);
    expect(reasons(waiting!, true)).toEqual(["Injected"]);
    expect(reasons(waiting!, undefined, created + 1_000)).toEqual(["Injected"]);
    expect(lookAgain(waiting!)).toBeGreaterThan(0);
    expect(reasons(waiting!, true, created + 3600_000)).toEqual([]);
    const [, told] = noticesOfPod(waiting!, () => undefined, created + 20_000);
    expect(told?.notice.note).toContain("no Outsock agent runs on node outsock-worker2");
  });

  test("the image's NODE_OPTIONS cannot be seen, the event says so unless the pod sets its own", () => {
    const note = (pod: Pod) => noticesOfPod(pod, () => true, created)[0]!.notice.note;
    expect(note(waiting!)).toContain("restate it in outsock.dev/node-options");
    const own = structuredClone(waiting!);
    own.spec.containers[0]!.env!.find(({ name }) => name === "NODE_OPTIONS")!.value += " --a";
    expect(note(own)).not.toContain("restate");
  });

  test("the webhook let a pod be, the reason is repeated as an event", () => {
    const native = structuredClone(missed!);
    native.metadata.annotations!["outsock.dev/status"] = "native: it uses the node's network";
    const [told] = noticesOfPod(native, () => true, created);
    expect(told?.notice).toEqual({
      type: "Warning",
      reason: "Native",
      note: "The pod runs natively: it uses the node's network",
    });
  });

  test("a pod that opted out, or is going, or asks for native, nothing is said", () => {
    const out = structuredClone(missed!);
    out.metadata.labels!["outsock.dev/inject"] = "disabled";
    const going = structuredClone(missed!);
    going.metadata.deletionTimestamp = "2030-01-01T00:00:00Z";
    const native = structuredClone(missed!);
    native.metadata.annotations!["outsock.dev/mode"] = "native";
    for (const pod of [out, going, native]) expect(reasons(pod, true)).toEqual([]);
  });
});
