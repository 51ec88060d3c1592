/**
 * Rollout, drain, a guest killed, an agent killed, while a client goes on asking. Its errors are
 * counted and printed; where none may be, none is.
 */
import { expect, test } from "vitest";
import { onCluster, type Place, WORKERS } from "./cluster.ts";
import { apply, get, kubectl, list } from "./kubectl.ts";
import { deployment, node, pod, podReady, rolledOut, service } from "./objects.ts";
import { agentPods, guests, ready } from "./release.ts";
import { until } from "./until.ts";

/** Serves until nobody asks any more: the pod leaves its Service before the program is told. */
const SERVER = `
  const { hostname } = require("node:os");
  const server = require("node:http").createServer(({ url }, response) => {
    if (url === "/die") process.abort();
    response.end(hostname());
  });
  server.listen(8080);
  process.on("SIGTERM", () => server.close(() => process.exit(0)));`;
const LEAVING = { lifecycle: { preStop: { sleep: { seconds: 4 } } } };

/** Asks with four connections at a time, each of them new; says its counts to who asks. */
const CLIENT = `
  const http = require("node:http");
  const count = { ok: 0, errors: {} };
  const ask = () => {
    const again = (what) => {
      if (what === undefined) count.ok++;
      else count.errors[what] = (count.errors[what] ?? 0) + 1;
      setTimeout(ask, 25);
    };
    let over = false;
    const once = (what) => { if (!over) { over = true; again(what); } };
    const request = http.get({ host: "shop", port: 8080, agent: false, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => { text += chunk; });
      response.on("error", ({ code }) => once(code));
      response.on("end", () => once(response.statusCode === 200 && text.startsWith("shop-")
        ? undefined : "status " + response.statusCode + ": " + text.slice(0, 80)));
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", ({ code, message }) => once(code ?? message));
  };
  for (let n = 0; n < 4; n++) ask();
  http.createServer((_, response) => response.end(JSON.stringify(count))).listen(9000);
  process.on("SIGTERM", () => process.exit(0));`;

interface Count {
  ok: number;
  errors: Record<string, number>;
}

onCluster("life cycle", (place) => {
  const [, THERE = ""] = WORKERS;

  /** Two guests behind a Service, and a client, native or a guest, that asks. */
  async function underLoad({ namespace }: Place, mode: "native" | "outsourced") {
    await kubectl(["-n", namespace, "delete", "deployment,pod,pdb", "--all", "--timeout=120s"]);
    await apply(
      deployment(namespace, "shop", {
        mode: "outsourced",
        script: SERVER,
        port: 8080,
        replicas: 2,
        grace: 20,
        container: LEAVING,
        spec: {
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: "kubernetes.io/hostname",
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: { test: "shop" } },
            },
          ],
        },
      }),
      service(namespace, "shop", 8080),
      {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { namespace, name: "shop" },
        spec: { minAvailable: 1, selector: { matchLabels: { test: "shop" } } },
      },
    );
    await rolledOut(namespace, "shop");
    await apply(pod(namespace, "client", { mode, script: CLIENT, port: 9000, node: THERE }));
    await podReady(namespace, "client");
    const count = async (): Promise<Count> =>
      JSON.parse(
        await node(
          namespace,
          "client",
          `console.log(await (await fetch("http://127.0.0.1:9000/")).text())`,
        ),
      );
    const answers = async (more: number) => {
      const { ok } = await count();
      await until(`${more} more answers`, async () => (await count()).ok >= ok + more);
    };
    await answers(50);
    return { count, answers };
  }

  const failures = ({ errors }: Count) => Object.values(errors).reduce((a, b) => a + b, 0);
  const report = (what: string, count: Count) =>
    process.stdout.write(`${what}: ${count.ok} answers, errors ${JSON.stringify(count.errors)}\n`);
  const shops = async () =>
    (await list("pods", "-n", place.namespace, "-l", "test=shop")).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );

  test.each(["native", "outsourced"] as const)(
    "guests are rolled out while a client that is %s asks: no failed request",
    async (mode) => {
      const { count, answers } = await underLoad(place, mode);
      await kubectl(["-n", place.namespace, "rollout", "restart", "deployment/shop"]);
      await rolledOut(place.namespace, "shop");
      await until(
        "the old ones are gone",
        async () => (await list("pods", "-n", place.namespace, "-l", "test=shop")).length === 2,
      );
      await answers(50);
      const counted = await count();
      report(`rollout, ${mode} client`, counted);
      expect(counted.errors).toEqual({});
    },
  );

  test("a node is drained: no failed request, the guests are elsewhere", async () => {
    const { namespace } = place;
    const { count, answers } = await underLoad(place, "native");
    const [HERE = ""] = WORKERS;
    try {
      await kubectl(
        [
          ...["drain", HERE, "--ignore-daemonsets", "--delete-emptydir-data", "--force"],
          ...["--pod-selector=test=shop", "--timeout=180s"],
        ],
        { timeout: 200_000 },
      );
      await rolledOut(namespace, "shop");
      expect((await shops()).map(({ spec }) => spec.nodeName)).not.toContain(HERE);
    } finally {
      await kubectl(["uncordon", HERE]);
    }
    await answers(50);
    const counted = await count();
    report("drain", counted);
    expect(counted.errors).toEqual({});
  });

  test("a guest dies: it is started anew, its agent forgets the old one, errors are few and named", async () => {
    const { namespace } = place;
    const { count, answers } = await underLoad(place, "native");
    const [victim] = await shops();
    const name = victim?.metadata.name ?? "";
    await node(namespace, name, `await fetch("http://127.0.0.1:8080/die")`).catch(() => {
      // Who asks in the container dies with it.
    });
    await until("it was started anew", async () => {
      const [status] = (await get("pod", name, namespace)).status.containerStatuses;
      return status.restartCount === 1 && status.ready;
    });
    await answers(50);
    const counted = await count();
    report("a guest killed", counted);
    // Refusals, until the kubelet has seen that it is not ready.
    expect(failures(counted)).toBeLessThan(counted.ok);
    const found = (await guests(place.release, namespace)).find((it) => it.pod === name);
    expect(found?.processes).toBe(1);
  });

  test.each(["killed", "restarted"])(
    "an agent is %s: its guests attach again by themselves, errors are named",
    async (how) => {
      const { namespace, release } = place;
      const { count, answers } = await underLoad(place, "native");
      const [victim] = await shops();
      const at = victim?.spec.nodeName;
      const agent = (await agentPods(release)).find(({ spec }) => spec.nodeName === at);
      const now = how === "killed" ? ["--grace-period=0", "--force"] : [];
      await kubectl(["-n", release.namespace, "delete", "pod", agent?.metadata.name ?? "", ...now]);
      await until("another agent is there", async () => {
        const found = (await agentPods(release)).find(({ spec }) => spec.nodeName === at);
        return found !== undefined && found.metadata.uid !== agent?.metadata.uid;
      });
      await ready(release);
      await until("the guest is attached", async () =>
        (await guests(release, namespace)).some((it) => it.pod === victim?.metadata.name),
      );
      await answers(100);
      const counted = await count();
      report(`an agent ${how}`, counted);
      // A reset for what was under way, refusals until the new agent listens.
      expect(failures(counted)).toBeLessThan(counted.ok);
      for (const { status } of await shops()) {
        expect(status.containerStatuses[0].restartCount).toBe(0);
      }
      const before = failures(await count());
      await answers(100);
      expect(failures(await count())).toBe(before);
    },
  );
});
