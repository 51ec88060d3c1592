/** What images and pods may be like, and what is missing may be. */
import { expect, inject, test } from "vitest";
import { onCluster, WORKERS } from "./cluster.ts";
import { MUSL, OPTIONS, TESTBED } from "./images.ts";
import { apply, get, kubectl, list } from "./kubectl.ts";
import { container, HELLO, IDLE, logs, pod, podReady } from "./objects.ts";
import { guests, ready } from "./release.ts";
import { until } from "./until.ts";

/** As an ES module. */
const HELLO_ESM = `
  import { createServer } from "node:http";
  const server = createServer((_, response) => response.end(process.version));
  await new Promise((resolve) => server.listen(8081, resolve));
  process.on("SIGTERM", () => process.exit(0));`;

onCluster("variants", (place) => {
  const containersOf = async (name: string): Promise<string[]> =>
    (await guests(place.release, place.namespace))
      .filter((it) => it.pod === name)
      .map((it) => it.container)
      .toSorted();
  const eventOf = (name: string, reason: string): Promise<string> =>
    until(`event ${reason} of ${name}`, async () => {
      const all = await list("events.v1.events.k8s.io", "-n", place.namespace);
      return all.find((it) => it.regarding?.name === name && it.reason === reason)?.note;
    });

  test.each([
    ["20", "/opt/node20/bin/node"],
    ["22", "/opt/node22/bin/node"],
    ["24", "node"],
    ["26", "/opt/node26/bin/node"],
  ])("Node.js %s on Debian, CommonJS and ES modules: guests", async (version, path) => {
    const { namespace } = place;
    const name = `node-${version}`;
    const image = TESTBED;
    const esm = {
      image,
      command: [path, "--input-type=module", "-e", HELLO_ESM],
      port: 8081,
      container: { ports: [] },
    };
    const cjs = { image, command: [path, "-e", HELLO], port: 8080 };
    await apply(
      pod(namespace, name, {
        mode: "outsourced",
        spec: { containers: [container("cjs", cjs), container("esm", esm)] },
      }),
    );
    await podReady(namespace, name);
    expect(
      await until("both are guests", async () => {
        const found = await containersOf(name);
        return found.length === 2 && found;
      }),
    ).toEqual(["cjs", "esm"]);
    const ask = `fetch("http://127.0.0.1:8081").then((r) => r.text()).then(console.log)`;
    const words = ["-n", namespace, "exec", name, "-c", "cjs", "--", path, "-e", ask];
    expect(await kubectl(words)).toMatch(new RegExp(`^v${version}\\.`));
  });

  test.skipIf(!inject("musl"))("Node.js on musl, as in Alpine (needs pip): a guest", async () => {
    const { namespace } = place;
    const image = MUSL;
    await apply(pod(namespace, "musl", { mode: "outsourced", image, script: HELLO, port: 8080 }));
    await podReady(namespace, "musl");
    await until("it is a guest", async () => (await containersOf("musl")).length === 1);
    const ask = `fetch("http://127.0.0.1:8080").then((r) => r.text()).then(console.log)`;
    expect(await kubectl(["-n", namespace, "exec", "musl", "--", "node", "-e", ask])).toMatch(
      /^musl /,
    );
  });

  test("NODE_OPTIONS by value, valueFrom, envFrom and in the image: kept, and guests", async () => {
    const { namespace } = place;
    const script = `console.log(process.title); ${IDLE}`;
    const NODE_OPTIONS = "NODE_OPTIONS";
    const configMap = (name: string, data: Record<string, string>) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace, name },
      data,
    });
    const containers = {
      value: { env: [{ name: NODE_OPTIONS, value: "--title=by-value" }] },
      "value-from": {
        env: [
          { name: NODE_OPTIONS, valueFrom: { configMapKeyRef: { name: "one", key: "options" } } },
        ],
      },
      "env-from": { envFrom: [{ configMapRef: { name: "many" } }] },
      image: { image: OPTIONS },
    };
    await apply(
      configMap("one", { options: "--title=by-value-from" }),
      configMap("many", { [NODE_OPTIONS]: "--title=by-env-from" }),
      pod(namespace, "options", {
        mode: "outsourced",
        annotations: { "outsock.dev/node-options": "--title=from-the-image" },
        spec: {
          containers: Object.entries(containers).map(([name, more]) =>
            container(name, { script, ...more }),
          ),
        },
      }),
    );
    await podReady(namespace, "options");
    await until("all are guests", async () => (await containersOf("options")).length === 4);
    const said = (await logs(namespace, "options")).trim().split("\n");
    expect(said.toSorted()).toEqual(["by-env-from", "by-value", "by-value-from", "from-the-image"]);
  });

  test("no controller answers: a pod starts natively, and says so when one does again", async () => {
    const { namespace, release } = place;
    const scale = (n: number) =>
      kubectl([
        "-n",
        release.namespace,
        "scale",
        "deployment",
        `${release.name}-controller`,
        `--replicas=${n}`,
      ]);
    await scale(0);
    try {
      await until("no controller is left", async () => {
        const label = "app.kubernetes.io/component=controller";
        return (await list("pods", "-n", release.namespace, "-l", label)).length === 0;
      });
      await apply(pod(namespace, "missed", { mode: "outsourced", script: HELLO, port: 8080 }));
      await podReady(namespace, "missed");
      const found = await get("pod", "missed", namespace);
      expect(found.spec.volumes ?? []).toEqual([]);
    } finally {
      await scale(2);
      await ready(release);
    }
    expect(await eventOf("missed", "NotInjected")).toContain("webhook");
  });

  test("a node without agent: the pod waits and says for what, and starts when the agent is there", async () => {
    const { namespace, release } = place;
    const [at = ""] = WORKERS;
    const daemonSet = `daemonset/${release.name}-agent`;
    const patch = (operations: object[]) =>
      kubectl([
        "-n",
        release.namespace,
        "patch",
        daemonSet,
        "--type=json",
        "-p",
        JSON.stringify(operations),
      ]);
    const path = "/spec/template/spec/affinity";
    const elsewhere = { key: "kubernetes.io/hostname", operator: "NotIn", values: [at] };
    const terms = { nodeSelectorTerms: [{ matchExpressions: [elsewhere] }] };
    const value = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
    await patch([{ op: "add", path, value }]);
    try {
      await until("its agent is gone", async () => {
        const label = "app.kubernetes.io/component=agent";
        const words = [
          "-n",
          release.namespace,
          "-l",
          label,
          "--field-selector",
          `spec.nodeName=${at}`,
        ];
        return (await list("pods", ...words)).length === 0;
      });
      await apply(
        pod(namespace, "waits", { mode: "outsourced", script: HELLO, port: 8080, node: at }),
      );
      expect(await eventOf("waits", "WaitingForAgent")).toContain(at);
      const { phase } = (await get("pod", "waits", namespace)).status;
      expect(phase).toBe("Pending");
    } finally {
      await patch([{ op: "remove", path }]);
      await ready(release);
    }
    await podReady(namespace, "waits");
    await until("it is a guest", async () => (await containersOf("waits")).length === 1);
  });
});
