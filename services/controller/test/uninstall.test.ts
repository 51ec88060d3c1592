import { describe, expect, test } from "vitest";
import { ApiError, type KubeObject } from "../src/kube/api.ts";
import type { Pod } from "../src/pods/types.ts";
import { Uninstaller } from "../src/uninstall/uninstaller.ts";
import { MemoryApi } from "./memory-api.ts";
import { VirtualClock } from "./virtual-clock.ts";

const PODS = "/api/v1/namespaces/shop/pods";
const APPS = "/apis/apps/v1/namespaces/shop";
const VMS = "/apis/outsock.dev/v1alpha1/namespaces/shop/virtualmachines";
const HOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const RELEASE = "/apis/apps/v1/namespaces/outsock-system/deployments";

function guest(name: string, owner?: { kind: string; name: string }): KubeObject {
  return {
    metadata: {
      name,
      namespace: "shop",
      labels: { "pod-template-hash": "h1" },
      ...(owner
        ? { ownerReferences: [{ apiVersion: "apps/v1", uid: "u", controller: true, ...owner }] }
        : {}),
    },
    spec: {
      containers: [{ name: "web" }],
      volumes: [{ name: "outsock", csi: { driver: "shm.outsock.dev" } }],
    },
  } as KubeObject;
}

function workload(name: string, spec = {}): KubeObject {
  return { metadata: { name, namespace: "shop" }, spec: { template: {}, ...spec } } as KubeObject;
}

async function uninstall(api: MemoryApi, timeoutMs = 60_000, keepVirtualMachines = false) {
  const clock = new VirtualClock();
  const said: string[] = [];
  const uninstaller = new Uninstaller({
    api,
    clock,
    say: (line) => said.push(line),
    config: {
      namespace: "outsock-system",
      podName: "job",
      webhookConfiguration: "hook",
      controllerDeployment: "outsock-controller",
      timeoutMs,
      keepVirtualMachines,
      logLevel: "info",
    },
  });
  let left: string[] | undefined;
  const done = uninstaller.run().then((pods) => {
    left = pods;
  });
  const turn = async (ms: number) => {
    await clock.advance(ms);
    return left;
  };
  return { said, turn, done };
}

function cluster(): MemoryApi {
  const api = new MemoryApi();
  api.put(RELEASE, {
    metadata: { name: "outsock-controller", namespace: "outsock-system" },
    spec: { replicas: 2, template: {}, selector: { matchLabels: { app: "controller" } } },
  } as KubeObject);
  api.put("/api/v1/namespaces/outsock-system/pods", {
    metadata: { name: "controller-1", namespace: "outsock-system", labels: { app: "controller" } },
    spec: { containers: [] },
  } as KubeObject);
  api.put(HOOK, { metadata: { name: "hook" } });
  return api;
}

describe("uninstall", () => {
  test("guests of every kind run, the controller stops, the webhook goes, then all come back native", async () => {
    const api = cluster();
    api.put(`${APPS}/deployments`, workload("web"));
    api.put(`${APPS}/statefulsets`, workload("db", { updateStrategy: { type: "OnDelete" } }));
    api.put(PODS, guest("web-h1-a", { kind: "ReplicaSet", name: "web-h1" }));
    api.put(PODS, guest("db-0", { kind: "StatefulSet", name: "db" }));
    api.put(PODS, guest("bare"));
    const { said, turn, done } = await uninstall(api);

    await turn(10_000);
    expect(api.peek(`${RELEASE}/outsock-controller`)).toMatchObject({ spec: { replicas: 0 } });
    expect(api.peek(`${HOOK}/hook`)).toBeDefined();
    api.remove("/api/v1/namespaces/outsock-system/pods/controller-1");
    await turn(10_000);
    expect(api.peek(`${HOOK}/hook`)).toBeUndefined();
    const rolls = api.writes().filter(({ path }) => path === `${APPS}/deployments/web`);
    expect(rolls.map(({ body }) => JSON.stringify(body))).toEqual([
      expect.stringContaining('"annotations":{"outsock.dev/restarted-at":'),
    ]);
    expect(api.peek(`${PODS}/db-0`)).toBeUndefined();
    expect(api.peek(`${PODS}/bare`)).toBeDefined();

    api.remove(`${PODS}/web-h1-a`);
    expect(await turn(10_000)).toBeUndefined();
    api.remove(`${PODS}/bare`);
    expect(await turn(10_000)).toEqual([]);
    await done;
    expect(said.map((line) => line.split(/[ :]/)[0])).toEqual([
      "Stopping",
      "Deleted",
      "Rolling",
      "Evicted",
      "Waiting",
      "No",
    ]);
  });

  test.each([
    [true, "its Deployment stays, as an ordinary one", /goes on natively$/],
    [false, "it goes with its resource, and its Deployment and pods with it", /goes with it/],
  ])(
    "VirtualMachines are there (kept: %s), they lose our finalizer only and what is said is true",
    async (kept, line, status) => {
      const api = cluster();
      api.remove("/api/v1/namespaces/outsock-system/pods/controller-1");
      api.put(VMS, {
        metadata: { name: "a", namespace: "shop", finalizers: ["outsock.dev/pods", "other/one"] },
      });
      const { said, turn, done } = await uninstall(api, 60_000, kept);
      expect(await turn(10_000)).toEqual([]);
      await done;
      expect(api.peek(`${VMS}/a`)).toMatchObject({
        metadata: { finalizers: ["other/one"] },
        status: {
          phase: "Unmanaged",
          conditions: [{ reason: "Uninstalled", message: expect.stringMatching(status) }],
        },
      });
      expect(said).toContain(`VirtualMachine shop/a is no longer managed; ${line}.`);
    },
  );

  test("a pod stays, the time is over, its name comes back", async () => {
    const api = cluster();
    api.remove("/api/v1/namespaces/outsock-system/pods/controller-1");
    api.put(PODS, guest("bare"));
    const { turn, done } = await uninstall(api, 20_000);
    expect(await turn(30_000)).toEqual(["shop/bare"]);
    await done;
  });

  test("it is run a second time, with webhook and controller gone, it goes through", async () => {
    const { turn, done } = await uninstall(new MemoryApi());
    expect(await turn(10_000)).toEqual([]);
    await done;
  });

  test("a disruption budget forbids the eviction for now, it is tried again", async () => {
    const api = cluster();
    api.remove("/api/v1/namespaces/outsock-system/pods/controller-1");
    api.put(PODS, guest("rs-a", { kind: "ReplicationController", name: "rs" }) as Pod);
    const { create } = api;
    let refused = 0;
    api.create = async <T>(path: string, body: unknown): Promise<T> => {
      if (refused++ < 2) {
        throw new ApiError(429, "TooManyRequests", "disruption budget");
      }
      return create.call(api, path, body) as Promise<T>;
    };
    const { turn, done } = await uninstall(api);
    expect(await turn(20_000)).toEqual([]);
    await done;
    expect(refused).toBe(3);
  });
});
