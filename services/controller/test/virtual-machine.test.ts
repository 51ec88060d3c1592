import { describe, expect, test } from "vitest";
import type { GuestReport } from "../src/agents/guests.ts";
import { trimPod } from "../src/pods/facts.ts";
import type { Pod } from "../src/pods/types.ts";
import { desiredDeployment } from "../src/vm/desired.ts";
import { noticesOf, plan } from "../src/vm/plan.ts";
import { type Observed, statusOf } from "../src/vm/status.ts";
import type { VirtualMachine, VirtualMachineSpec, Workload } from "../src/vm/types.ts";
import { fixture } from "./fixtures.ts";

const NOW = Date.parse("2030-01-01T00:00:00Z");
const IMAGE = "outsock/guest:1";
// biome-ignore lint/suspicious/noExplicitAny: looks into what is sent to the API server
type Any = any;

function vm(spec: VirtualMachineSpec = { image: "shop:1" }, metadata = {}): VirtualMachine {
  return {
    metadata: { name: "shop", namespace: "ns", uid: "u1", generation: 3, ...metadata },
    spec,
  };
}

function podOf(
  name: string,
  change: Partial<Pod> & { guest?: boolean; ready?: boolean } = {},
): Pod {
  const { guest = true, ready = true, ...rest } = change;
  return {
    metadata: {
      name,
      namespace: "ns",
      uid: `uid-${name}`,
      annotations: { "outsock.dev/mode": "outsourced" },
    },
    spec: {
      nodeName: "n1",
      containers: [{ name: "guest" }],
      volumes: guest ? [{ name: "outsock", csi: { driver: "shm.outsock.dev" } }] : [],
    },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      containerStatuses: [
        { name: "guest", state: { running: { startedAt: "2029-12-31T23:00:00Z" } } },
      ],
    },
    ...rest,
  };
}

const report = (uid: string, change: Partial<GuestReport> = {}): GuestReport => ({
  namespace: "ns",
  pod: "p",
  uid,
  container: "guest",
  processes: 1,
  connections: 2,
  shortcut: { connections: 1, bytes: 300 },
  relay: { connections: 1, bytes: 100 },
  reasons: {},
  ...change,
});

function observed(change: Partial<Observed> = {}): Observed {
  const deployment: Workload = {
    metadata: { name: "shop", generation: 1 },
    spec: { template: {} },
    status: { observedGeneration: 1, updatedReplicas: 1 },
  };
  return {
    vm: vm(),
    deployment,
    pods: [podOf("a")],
    guests: new Map([["uid-a", [report("uid-a")]]]),
    silent: new Map(),
    now: NOW,
    ...change,
  };
}

describe("the Deployment of a VirtualMachine", () => {
  test("an image with everything, its pod is restricted, annotated, and rolls without a gap", () => {
    const made = desiredDeployment(
      vm({
        image: "shop:1",
        command: ["node", "a.js"],
        args: ["-v"],
        env: [{ name: "A", value: "1" }],
        ports: [{ name: "http", port: 8080 }],
        replicas: 2,
        shortcut: false,
        securityContext: { runAsUser: 7, readOnlyRootFilesystem: true },
      }),
      IMAGE,
    ) as Any;
    expect(made.metadata.ownerReferences).toEqual([
      {
        apiVersion: "outsock.dev/v1alpha1",
        kind: "VirtualMachine",
        name: "shop",
        uid: "u1",
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
    expect(made.spec.replicas).toBe(2);
    expect(made.spec.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
    expect(made.spec.template.metadata.annotations).toEqual({
      "outsock.dev/mode": "outsourced",
      "outsock.dev/no-shortcut": "true",
    });
    const pod = made.spec.template.spec;
    expect(pod.securityContext).toEqual({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
      runAsUser: 7,
    });
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.containers).toEqual([
      {
        name: "guest",
        image: "shop:1",
        command: ["node", "a.js"],
        args: ["-v"],
        env: [{ name: "A", value: "1" }],
        ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          readOnlyRootFilesystem: true,
        },
        lifecycle: { preStop: { sleep: { seconds: 5 } } },
      },
    ]);
  });

  test("a program from a ConfigMap, the guest image runs it", () => {
    const made = desiredDeployment(
      vm({ program: { configMap: "p", file: "main.js" } }),
      IMAGE,
    ) as Any;
    const pod = made.spec.template.spec;
    expect(pod.volumes).toEqual([{ name: "outsock-program", configMap: { name: "p" } }]);
    expect(pod.containers[0]).toMatchObject({
      image: IMAGE,
      command: ["node", "/program/main.js"],
      workingDir: "/program",
      volumeMounts: [{ name: "outsock-program", mountPath: "/program", readOnly: true }],
    });
  });

  test("a program from a volume, that volume is mounted", () => {
    const made = desiredDeployment(
      vm({ program: { volume: "v", file: "x/y.mjs" }, volumes: [{ name: "v", emptyDir: {} }] }),
      IMAGE,
    ) as Any;
    expect(made.spec.template.spec.volumes).toEqual([{ name: "v", emptyDir: {} }]);
    expect(made.spec.template.spec.containers[0].command).toEqual(["node", "/program/x/y.mjs"]);
  });

  test("the recorded VirtualMachine, the recorded Deployment holds what is applied", () => {
    const made = desiredDeployment(
      fixture<VirtualMachine>("virtualmachine"),
      "node:24-bookworm-slim",
    );
    expect(fixture("deployment-of-vm")).toMatchObject(made);
  });
});

describe("what is done about a VirtualMachine", () => {
  const owned = (change = {}): Workload => ({
    metadata: {
      name: "shop",
      uid: "d1",
      ownerReferences: [{ controller: true, uid: "u1" } as Any],
      ...change,
    },
    spec: { template: {} },
  });
  const doings = (seen: Parameters<typeof plan>[0]) => plan(seen, IMAGE).map((action) => action.do);
  const FINALIZERS = { finalizers: ["outsock.dev/pods"] };
  const going = { ...FINALIZERS, deletionTimestamp: "2030-01-01T00:00:00Z" };

  test("it is new, it gets its finalizer and its Deployment", () => {
    expect(doings({ vm: vm(), deployment: undefined, pods: [] })).toEqual([
      "add-finalizer",
      "apply",
    ]);
  });

  test("it is there, its Deployment is applied", () => {
    const known = vm(undefined, FINALIZERS);
    expect(doings({ vm: known, deployment: owned(), pods: [] })).toEqual(["apply"]);
  });

  test("a Deployment of its name is somebody else's, it is left alone and that is said", () => {
    const foreign = owned({ ownerReferences: [] });
    expect(doings({ vm: vm(undefined, FINALIZERS), deployment: foreign, pods: [] })).toEqual([
      "say",
    ]);
  });

  test("it is being deleted, first the Deployment goes, then the pods, then the finalizer", () => {
    const one = vm(undefined, going);
    const pods = [podOf("a")];
    expect(doings({ vm: one, deployment: owned(), pods })).toEqual(["delete-deployment", "say"]);
    const deleted = owned({ deletionTimestamp: "2030-01-01T00:00:00Z" });
    expect(doings({ vm: one, deployment: deleted, pods })).toEqual([]);
    expect(doings({ vm: one, deployment: undefined, pods })).toEqual([]);
    expect(doings({ vm: one, deployment: undefined, pods: [] })).toEqual(["remove-finalizer"]);
    expect(
      doings({ vm: vm(undefined, { ...going, finalizers: [] }), deployment: undefined, pods: [] }),
    ).toEqual([]);
  });
});

describe("the status of a VirtualMachine", () => {
  const condition = (status: ReturnType<typeof statusOf>, type: string) =>
    status.conditions?.find((one) => one.type === type);

  test("a guest runs, the status tells mode, node, address, connections and shortcut share", () => {
    const status = statusOf(observed());
    expect(status).toMatchObject({
      phase: "Running",
      mode: "outsourced",
      node: "n1",
      address: "10.0.0.1",
      connections: 2,
      shortcutShare: "75%",
      replicas: 1,
      readyReplicas: 1,
      selector: "outsock.dev/virtual-machine=shop",
      observedGeneration: 3,
    });
    expect(condition(status, "Ready")).toMatchObject({ status: "True", reason: "GuestsReady" });
    expect(condition(status, "Degraded")).toMatchObject({ status: "False" });
  });

  test("recorded pods that missed the webhook, the mode in force is native and Degraded says why", () => {
    const status = statusOf(
      observed({
        vm: fixture<VirtualMachine>("virtualmachine"),
        pods: fixture<{ items: Pod[] }>("pods-of-vm").items.map(trimPod),
        guests: new Map(),
      }),
    );
    expect(status).toMatchObject({ phase: "Degraded", mode: "native", readyReplicas: 2 });
    expect(condition(status, "Degraded")).toMatchObject({ status: "True", reason: "NotInjected" });
  });

  test.each<[string, Partial<Observed>, { phase: string; reason?: string }]>([
    ["no pod yet", { pods: [] }, { phase: "Pending" }],
    ["no replicas wanted", { vm: vm({ image: "x", replicas: 0 }), pods: [] }, { phase: "Stopped" }],
    ["being deleted", { vm: vm(undefined, { deletionTimestamp: "x" }) }, { phase: "Stopping" }],
    ["not ready", { pods: [podOf("a", { ready: false })] }, { phase: "Pending" }],
    [
      "its program crashes",
      {
        pods: [
          podOf("a", {
            ready: false,
            status: {
              phase: "Running",
              containerStatuses: [
                {
                  name: "guest",
                  state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } },
                },
              ],
            },
          }),
        ],
      },
      { phase: "Degraded", reason: "CrashLoopBackOff" },
    ],
    [
      "its Deployment is refused",
      { deployment: undefined, refused: "affinity: invalid", pods: [] },
      { phase: "Degraded", reason: "DeploymentRefused" },
    ],
    [
      "the agent does not answer",
      { guests: new Map(), silent: new Map([["n1", "timeout"]]) },
      { phase: "Degraded", reason: "AgentSilent" },
    ],
    ["no process attaches", { guests: new Map() }, { phase: "Degraded", reason: "NoGuestProcess" }],
    [
      "it wants native and is",
      {
        vm: vm({ image: "x", mode: "native" }),
        guests: new Map(),
        pods: [
          podOf("a", {
            guest: false,
            metadata: { name: "a", annotations: { "outsock.dev/mode": "native" } },
          }),
        ],
      },
      { phase: "Running" },
    ],
    [
      "its pods are refused",
      {
        pods: [],
        deployment: {
          metadata: {},
          spec: { template: {} },
          status: { conditions: [{ type: "ReplicaFailure", status: "True", message: "quota" }] },
        },
      },
      { phase: "Degraded", reason: "PodsRefused" },
    ],
  ])("%s", (_, change, { phase, reason }) => {
    const status = statusOf(observed(change));
    expect(status.phase).toBe(phase);
    const degraded = condition(status, "Degraded");
    expect(degraded?.status).toBe(reason ? "True" : "False");
    if (reason) expect(degraded?.reason).toBe(reason);
  });

  test("a condition keeps its time until its status changes", () => {
    const before = statusOf(observed());
    const one = { ...vm(), status: before };
    const later = statusOf(observed({ vm: one, now: NOW + 60_000 }));
    expect(later).toEqual(before);
    const broken = statusOf(
      observed({ vm: one, now: NOW + 60_000, pods: [podOf("a", { ready: false })] }),
    );
    expect(condition(broken, "Ready")?.lastTransitionTime).toBe("2030-01-01T00:01:00Z");
    expect(condition(broken, "Degraded")?.lastTransitionTime).toBe("2030-01-01T00:00:00Z");
  });

  test("more than three nodes, the rest is counted", () => {
    const pods = ["1", "2", "3", "4", "5"].map((n) =>
      podOf(n, { spec: { nodeName: `n${n}`, containers: [], volumes: podOf("x").spec.volumes! } }),
    );
    expect(statusOf(observed({ pods })).node).toBe("n1,n2,n3,+2");
  });

  test("what changed is worth an event, what stays is not", () => {
    const good = statusOf(observed());
    const bad = statusOf(observed({ guests: new Map(), silent: new Map([["n1", "timeout"]]) }));
    expect(noticesOf(undefined, good).map(({ reason }) => reason)).toEqual(["Ready"]);
    expect(noticesOf(good, good)).toEqual([]);
    expect(noticesOf(good, bad).map(({ reason }) => reason)).toEqual(["Degraded"]);
    expect(noticesOf(bad, bad)).toEqual([]);
  });
});
