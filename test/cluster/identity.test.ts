/** A guest's pod is to the cluster what any pod is. */
import { expect, test } from "vitest";
import { onCluster } from "./cluster.ts";
import { apply, get, list, start } from "./kubectl.ts";
import {
  deployment,
  exec,
  fetchIn,
  HELLO,
  IDLE,
  logs,
  node,
  pod,
  podReady,
  rolledOut,
  service,
} from "./objects.ts";
import { until } from "./until.ts";

const EACCES = 13;

onCluster("identity", (place) => {
  const guest = { mode: "outsourced" as const };
  const ipOf = async (name: string): Promise<string> =>
    (await get("pod", name, place.namespace)).status.podIP;

  test("by pod IP, both ways: hostname and addresses are the pods' own", async () => {
    const { namespace } = place;
    await apply(
      pod(namespace, "server", { ...guest, script: HELLO, port: 8080 }),
      pod(namespace, "guest-client", { ...guest, script: IDLE }),
      pod(namespace, "native-client", { script: IDLE }),
    );
    await podReady(namespace, "server", "guest-client", "native-client");
    const server = await ipOf("server");
    for (const client of ["guest-client", "native-client"]) {
      const said = await fetchIn(namespace, client, `http://${server}:8080/`);
      expect(said).toBe(`server ::ffff:${server} ::ffff:${await ipOf(client)}`);
    }
  });

  test("a Service by short and by full name; every endpoint is asked", async () => {
    const { namespace } = place;
    await apply(
      deployment(namespace, "shop", { ...guest, script: HELLO, port: 8080, replicas: 2 }),
      service(namespace, "shop", 8080),
      pod(namespace, "customer", { ...guest, script: IDLE }),
    );
    await rolledOut(namespace, "shop");
    await podReady(namespace, "customer");
    const names = (await list("pods", "-n", namespace, "-l", "test=shop")).map(
      (it) => it.metadata.name,
    );
    const seen = await until("both have answered", async () => {
      const said = await node(
        namespace,
        "customer",
        `
        const seen = new Set();
        for (let n = 0; n < 20; n++)
          for (const host of ["shop", "shop.${namespace}.svc.cluster.local"])
            seen.add((await (await fetch("http://" + host + ":8080/", { headers: { connection: "close" } })).text()).split(" ")[0]);
        console.log([...seen].sort().join());`,
      );
      return said.includes(",") && said;
    });
    expect(seen).toBe(names.toSorted().join());
  });

  test("a headless Service: a guest resolves it to the pods' addresses", async () => {
    const { namespace } = place;
    await apply(
      deployment(namespace, "peers", { ...guest, script: HELLO, port: 8080, replicas: 2 }),
      service(namespace, "peers", 8080, { clusterIP: "None" }),
      pod(namespace, "resolver", { ...guest, script: IDLE }),
    );
    await rolledOut(namespace, "peers");
    await podReady(namespace, "resolver");
    const addresses = (await list("pods", "-n", namespace, "-l", "test=peers"))
      .map((it): string => it.status.podIP)
      .toSorted();
    const ask = (how: string) =>
      node(
        namespace,
        "resolver",
        `
      import dns from "node:dns/promises";
      const found = ${how};
      console.log(JSON.stringify(found.sort()));`,
      );
    await until("CoreDNS knows both", async () => {
      const found = await ask(`await dns.resolve4("peers.${namespace}.svc.cluster.local")`);
      return JSON.parse(found).length === 2;
    });
    expect(
      JSON.parse(await ask(`await dns.resolve4("peers.${namespace}.svc.cluster.local")`)),
    ).toEqual(addresses);
    expect(
      JSON.parse(
        await ask(`(await dns.lookup("peers", { all: true })).map(({ address }) => address)`),
      ),
    ).toEqual(addresses);
  });

  test("an HTTP readiness probe: a guest that says no leaves its Service, and comes back", async () => {
    const { namespace } = place;
    const script = `
      let ok = true;
      require("node:http").createServer(({ url }, response) => {
        if (url === "/off") ok = false;
        if (url === "/on") ok = true;
        response.statusCode = url === "/ready" && !ok ? 503 : 200;
        response.end();
      }).listen(8080);
      process.on("SIGTERM", () => process.exit(0));`;
    const probe = {
      httpGet: { path: "/ready", port: 8080 },
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: 2,
    };
    await apply(
      pod(namespace, "moody", {
        ...guest,
        script,
        port: 8080,
        container: { readinessProbe: probe },
      }),
      service(namespace, "moody", 8080),
    );
    await podReady(namespace, "moody");
    const endpoints = async (): Promise<boolean[]> =>
      (await list("endpointslices", "-n", namespace, "-l", "kubernetes.io/service-name=moody"))
        .flatMap(({ endpoints }) => endpoints ?? [])
        .map(({ conditions }) => conditions.ready);
    await until("it is an endpoint", async () => (await endpoints()).join() === "true");
    const tell = (word: string) =>
      node(namespace, "moody", `await fetch("http://127.0.0.1:8080/${word}")`);
    await tell("off");
    await until("it is none", async () => (await endpoints()).join() !== "true");
    await tell("on");
    await until("it is one again", async () => (await endpoints()).join() === "true");
  });

  test("an HTTP liveness probe: a guest that hangs is started anew", async () => {
    const { namespace } = place;
    const script = `
      require("node:http").createServer(({ url }, response) => {
        if (url === "/hang") setTimeout(() => { for (;;); }, 10);
        response.end();
      }).listen(8080);`;
    const probe = {
      httpGet: { path: "/", port: 8080 },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 2,
    };
    await apply(
      pod(namespace, "hangs", {
        ...guest,
        script,
        port: 8080,
        grace: 1,
        container: { livenessProbe: probe },
      }),
    );
    await podReady(namespace, "hangs");
    await node(namespace, "hangs", `await fetch("http://127.0.0.1:8080/hang").catch(() => {})`);
    await until("it was restarted, and is ready", async () => {
      const [status] = (await get("pod", "hangs", namespace)).status.containerStatuses;
      return status.restartCount >= 1 && status.ready;
    });
  });

  test("kubectl port-forward reaches a guest", async () => {
    const { namespace } = place;
    await apply(pod(namespace, "forwarded", { ...guest, script: HELLO, port: 8080 }));
    await podReady(namespace, "forwarded");
    const forward = start("kubectl", ["-n", namespace, "port-forward", "pod/forwarded", ":8080"]);
    try {
      const port = await until(
        "it forwards",
        () => /127\.0\.0\.1:(\d+)/.exec(forward.output())?.[1],
      );
      const said = await (await fetch(`http://127.0.0.1:${port}/`)).text();
      expect(said).toMatch(/^forwarded /);
    } finally {
      await forward.stop();
    }
  });

  test("no process of a guest can make an AF_INET or AF_INET6 socket, those of kubectl exec included", async () => {
    const { namespace } = place;
    // The program that a pod runs, and its child, say what socket() does.
    const script = `
      const koffi = require("/run/outsock/runtime/node_modules/koffi");
      const socket = koffi.load(null).func("int socket(int, int, int)");
      const test = (family) => socket(family, 1, 0) < 0 ? koffi.errno() : "a socket";
      const { spawnSync } = require("node:child_process");
      const shell = spawnSync("bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/9"], { encoding: "utf8" });
      console.log(JSON.stringify({ inet: test(2), inet6: test(10), unix: test(1), shell: shell.stderr.includes("Permission denied") }));`;
    await apply(pod(namespace, "sealed", { ...guest, script: `${script}\n${IDLE}` }));
    await podReady(namespace, "sealed");
    const denied = { inet: EACCES, inet6: EACCES, unix: "a socket", shell: true };
    expect(
      JSON.parse(await until("it has said", async () => (await logs(namespace, "sealed")).trim())),
    ).toEqual(denied);
    expect(JSON.parse(await exec(namespace, "sealed", "node", "-e", script))).toEqual(denied);
    // Cluster DNS works all the same.
    const found = await node(
      namespace,
      "sealed",
      `
      import dns from "node:dns/promises";
      console.log((await dns.lookup("kubernetes.default")).address,
        (await dns.resolve4("kubernetes.default.svc.cluster.local"))[0]);`,
    );
    const { spec } = await get("service", "kubernetes", "default");
    expect(found).toBe(`${spec.clusterIP} ${spec.clusterIP}`);
  });
});
