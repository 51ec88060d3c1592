import https from "node:https";
import { text } from "node:stream/consumers";
import pino from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import { buildController, type Controller } from "../src/app.ts";
import { systemClock } from "../src/clock.ts";
import { type ControllerConfig, readControllerConfig } from "../src/config.ts";
import { ApiError, type KubeObject } from "../src/kube/api.ts";
import { RestApi } from "../src/kube/rest.ts";
import { fixture } from "./fixtures.ts";
import { serveApi } from "./http-api.ts";
import { MemoryApi } from "./memory-api.ts";

const log = pino({ level: "silent" });
const SECRETS = "/api/v1/namespaces/sys/secrets";
const HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/sys/leases/outsock-controller";
const VMS = "/apis/outsock.dev/v1alpha1/namespaces/ns/virtualmachines";
const DEPLOYMENTS = "/apis/apps/v1/namespaces/ns/deployments";

/** Waits for what is expected, however slow the machine is. */
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 30_000 });

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A cluster, and a controller that talks to it over HTTP. */
async function started(podName = "one", memory = new MemoryApi()) {
  memory.put(SECRETS, {
    metadata: { name: "outsock-controller-certificate", namespace: "sys" },
  });
  memory.put(HOOKS, {
    metadata: { name: "outsock" },
    webhooks: [{ name: "pods.outsock.dev", clientConfig: {} }],
  } as KubeObject);
  const { config: kubeConfig, tokens, close } = await serveApi(memory);
  closers.push(close);
  const controller = await join(podName, kubeConfig);
  return { memory, tokens, kubeConfig, ...controller };
}

async function join(podName: string, kubeConfig: Awaited<ReturnType<typeof serveApi>>["config"]) {
  const config: ControllerConfig = {
    ...readControllerConfig([], { OUTSOCK_NAMESPACE: "sys", OUTSOCK_GUEST_IMAGE: "guest:1" }),
    podName,
    webhookPort: 0,
    httpPort: 0,
  };
  const api = new RestApi(kubeConfig);
  const controller = buildController({
    api,
    clock: systemClock,
    log,
    config,
    host: "127.0.0.1",
    electionTimes: { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 100 },
    onFatal: (error) => {
      throw error;
    },
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= controller.stop().then(() => api.close());
    return stopped;
  };
  closers.push(stop);
  const { httpPort } = await controller.start();
  const http = (path: string) => fetch(`http://127.0.0.1:${httpPort}${path}`);
  await until(async () => expect((await http("/readyz")).status).toBe(200));
  return { controller, stop, http };
}

/** Asks the webhook as the API server does: trusting `caBundle` alone. */
function mutate(memory: MemoryApi, controller: Controller, body: string) {
  const hook = memory.peek<KubeObject & { webhooks: { clientConfig: { caBundle: string } }[] }>(
    `${HOOKS}/outsock`,
  );
  const ca = Buffer.from(hook!.webhooks[0]!.clientConfig.caBundle, "base64");
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const request = https.request(
      {
        host: "127.0.0.1",
        port: controller.webhookPort(),
        servername: "outsock-controller.sys.svc",
        ca,
        agent: false,
        path: "/mutate?timeout=5s",
        method: "POST",
        headers: { "content-type": "application/json" },
      },
      (response) => {
        text(response).then(
          (answer) => resolve({ status: response.statusCode ?? 0, body: answer }),
          reject,
        );
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

describe("the controller", () => {
  test("there is nothing to do, it writes its Lease and certificates and nothing else", async () => {
    const { memory, tokens, http } = await started();
    await until(() =>
      expect(memory.requests.filter(({ method }) => method === "WATCH")).toHaveLength(5),
    );
    const written = new Set(memory.writes().map(({ path }) => path));
    expect([...written].sort()).toEqual(
      [
        `${HOOKS}/outsock`,
        LEASE.slice(0, LEASE.lastIndexOf("/")),
        ...(written.has(LEASE) ? [LEASE] : []),
        `${SECRETS}/outsock-controller-certificate`,
      ].sort(),
    );
    expect([...tokens]).toEqual(["Bearer secret-token"]);
    expect((await http("/healthz")).status).toBe(200);
    expect(await (await http("/metrics")).text()).toContain("outsock_controller_leader 1");
  });

  test("pods are reviewed over TLS that the published bundle trusts; nonsense is refused", async () => {
    const { memory, controller } = await started();
    const answer = await mutate(memory, controller, JSON.stringify(fixture("review-pod")));
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({
      response: { allowed: true, patchType: "JSONPatch" },
    });
    expect((await mutate(memory, controller, "{}")).status).toBe(400);
    expect((await mutate(memory, controller, "{")).status).toBe(400);
  });

  test("a VirtualMachine comes and goes: finalizer, Deployment, status, then nothing is left", async () => {
    const { memory } = await started();
    memory.put(VMS, {
      metadata: { name: "shop", namespace: "ns", generation: 1 },
      spec: { image: "shop:1" },
    } as KubeObject);
    await until(() => {
      expect(memory.peek(`${VMS}/shop`)).toMatchObject({
        metadata: { finalizers: ["outsock.dev/pods"] },
        status: { phase: "Pending", replicas: 0, observedGeneration: 1 },
      });
      expect(memory.peek(`${DEPLOYMENTS}/shop`)).toBeDefined();
    });
    const apply = memory.writes().find(({ path }) => path === `${DEPLOYMENTS}/shop`);
    expect(apply).toMatchObject({
      method: "PATCH apply",
      query: { fieldManager: "outsock-controller", force: "true" },
    });
    await memory.delete(`${VMS}/shop`);
    await until(() => expect(memory.peek(`${VMS}/shop`)).toBeUndefined());
    expect(memory.peek(`${DEPLOYMENTS}/shop`)).toBeUndefined();
  });

  test("the API server refuses a VirtualMachine's Deployment, its status says what it said", async () => {
    const memory = new MemoryApi();
    const { patch } = memory;
    memory.patch = <T>(...args: Parameters<typeof patch>): Promise<T> => {
      if (args[0] !== `${DEPLOYMENTS}/shop`) return patch.apply(memory, args) as Promise<T>;
      return Promise.reject(new ApiError(422, "Invalid", "spec.affinity: no such field"));
    };
    await started("one", memory);
    memory.put(VMS, {
      metadata: { name: "shop", namespace: "ns", generation: 1 },
      spec: { image: "shop:1" },
    } as KubeObject);
    await until(() =>
      expect(memory.peek(`${VMS}/shop`)).toMatchObject({ status: { phase: "Degraded" } }),
    );
    expect(JSON.stringify(memory.peek(`${VMS}/shop`))).toContain("spec.affinity: no such field");
  });

  test("an annotated Deployment, only its template's annotation is applied, without force", async () => {
    const { memory } = await started();
    memory.put(DEPLOYMENTS, {
      metadata: { name: "web", namespace: "ns", annotations: { "outsock.dev/mode": "outsourced" } },
      spec: { template: { metadata: { labels: { app: "web" } } } },
    } as KubeObject);
    await until(() =>
      expect(memory.peek(`${DEPLOYMENTS}/web`)).toMatchObject({
        spec: {
          template: {
            metadata: { labels: { app: "web" }, annotations: { "outsock.dev/mode": "outsourced" } },
          },
        },
      }),
    );
    const apply = memory.writes().find(({ path }) => path === `${DEPLOYMENTS}/web`);
    expect(apply?.query).toEqual({ fieldManager: "outsock-controller" });
  });

  test("two replicas, the leader stops, the other serves all the time and goes on with the work", async () => {
    const { memory, controller: one, stop, kubeConfig } = await started("one");
    await until(() => expect(one.isLeader()).toBe(true));
    const { controller: two } = await join("two", kubeConfig);
    expect(two.isLeader()).toBe(false);
    const review = JSON.stringify(fixture("review-pod"));
    expect((await mutate(memory, two, review)).status).toBe(200);
    await stop();
    await until(() => expect(two.isLeader()).toBe(true));
    memory.put(VMS, {
      metadata: { name: "late", namespace: "ns", generation: 1 },
      spec: { image: "shop:1" },
    } as KubeObject);
    await until(() => expect(memory.peek(`${DEPLOYMENTS}/late`)).toBeDefined());
    expect((await mutate(memory, two, review)).status).toBe(200);
  });
});
