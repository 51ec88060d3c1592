/** Which way connections between pods take, and when a shortcut ends with its kernel connection. */
import { afterEach, expect, test } from "vitest";
import { onCluster, WORKERS } from "./cluster.ts";
import { apply, get, run } from "./kubectl.ts";
import { ECHO, IDLE, logs, node, pod, podReady, service } from "./objects.ts";
import { type GuestStatus, guests } from "./release.ts";
import { until } from "./until.ts";

const [HERE = "", THERE = ""] = WORKERS;
/** Stated: found within 10 s of idleness and a look a second; cut: three probes of 5 s more. */
const RESET_WITHIN = 20_000;
const CUT_WITHIN = 40_000;

/** Connects to TARGET, has its words echoed once a second, and says how that ends. */
const TALK = `
  const [host, port] = process.env.TARGET.split(":");
  const socket = require("node:net").connect(Number(port), host);
  let heard = 0;
  const timer = setInterval(() => socket.write("word"), 500);
  socket.on("connect", () => socket.write("word"));
  socket.on("data", () => {
    if (++heard === 2) console.log("talks from", socket.localAddress, socket.localPort);
  });
  socket.on("error", ({ code }) => console.log("error", code));
  socket.on("close", () => { clearInterval(timer); console.log("ended", Date.now()); });
  ${IDLE}`;

onCluster("shortcut", (place) => {
  const guest = { mode: "outsourced" as const };
  const ipOf = async (name: string): Promise<string> =>
    (await get("pod", name, place.namespace)).status.podIP;
  const statusOf = (name: string): Promise<GuestStatus> =>
    until(`${name} is a guest`, async () =>
      (await guests(place.release, place.namespace)).find((it) => it.pod === name),
    );
  const server = async (name: string, options = {}) => {
    await apply(
      pod(place.namespace, name, { ...guest, script: ECHO, port: 7000, node: HERE, ...options }),
    );
    await podReady(place.namespace, name);
    return ipOf(name);
  };
  /** A pod that talks with the target; resolves when it does, with its own address and port. */
  const talker = async (name: string, target: string, options = {}) => {
    const env = [{ name: "TARGET", value: target }];
    await apply(
      pod(place.namespace, name, { ...guest, script: TALK, env, node: HERE, ...options }),
    );
    const [, address = "", port = ""] = await until(
      `${name} talks`,
      async () => /talks from (\S+) (\d+)/.exec(await logs(place.namespace, name)) ?? undefined,
    );
    return { address, port };
  };

  test("one node, by pod IP, ClusterIP, NodePort and headless Service: the shortcut, or the reason why not", async () => {
    const { namespace } = place;
    const ip = await server("echo");
    const selector = { test: "echo" };
    await apply(
      service(namespace, "by-cluster-ip", 7000, { selector }),
      service(namespace, "by-node-port", 7000, { selector, type: "NodePort" }),
      service(namespace, "headless", 7000, { selector, clusterIP: "None" }),
    );
    const { nodePort } = (await get("service", "by-node-port", namespace)).spec.ports[0];
    const { addresses } = (await get("node", HERE)).status;
    const internal = addresses.find(({ type }: { type: string }) => type === "InternalIP").address;
    const targets = {
      "pod-ip": `${ip}:7000`,
      "cluster-ip": "by-cluster-ip:7000",
      "node-port": `${internal}:${nodePort}`,
      "by-headless": "headless:7000",
    };
    await Promise.all(Object.entries(targets).map(([name, target]) => talker(name, target)));
    const found = Object.fromEntries(
      await Promise.all(
        Object.keys(targets).map(async (name) => {
          const { shortcut, reasons } = await statusOf(name);
          return [name, shortcut.connections > 0 ? "shortcut" : Object.keys(reasons).join()];
        }),
      ),
    );
    process.stdout.write(`paths: ${JSON.stringify(found)}\n`);
    expect(found).toMatchObject({
      "pod-ip": "shortcut",
      "by-headless": "shortcut",
      "cluster-ip": "shortcut",
    });
    // Address translation may hide it; then the reason is shown.
    expect(found["node-port"]).toMatch(/^shortcut$|not proven|remote peer/);
  });

  test("two nodes: the relay, because the peer is remote", async () => {
    const ip = await server("far", { node: THERE });
    await talker("near", `${ip}:7000`);
    const { shortcut, reasons } = await statusOf("near");
    expect(shortcut.connections).toBe(0);
    expect(reasons).toEqual({ "relay: remote peer": 1 });
  });

  test("the annotation no-shortcut: the relay, because it is disabled", async () => {
    const ip = await server("plain-echo");
    await talker("unwilling", `${ip}:7000`, { annotations: { "outsock.dev/no-shortcut": "true" } });
    const { shortcut, reasons } = await statusOf("unwilling");
    expect(shortcut.connections).toBe(0);
    expect(reasons).toEqual({ "relay: disabled": 1 });
  });

  test("ten million bytes in both directions through the shortcut, and across nodes: unharmed", async () => {
    const [near, far] = await Promise.all([
      server("bulk-near"),
      server("bulk-far", { node: THERE }),
    ]);
    await apply(pod(place.namespace, "bulk", { ...guest, script: IDLE, node: HERE }));
    await podReady(place.namespace, "bulk");
    for (const ip of [near, far]) {
      const said = await node(
        place.namespace,
        "bulk",
        `
        import { createHash, randomBytes } from "node:crypto";
        import { connect } from "node:net";
        const data = randomBytes(10_000_000);
        const hash = createHash("sha256");
        const socket = connect(7000, "${ip}");
        let n = 0;
        socket.on("data", (chunk) => { hash.update(chunk); n += chunk.length; if (n >= data.length) socket.end(); });
        socket.write(data);
        await new Promise((resolve) => socket.on("close", resolve));
        console.log(n, hash.digest("hex") === createHash("sha256").update(data).digest("hex"));`,
      );
      expect(said).toBe("10000000 true");
    }
  });

  const nft = (...words: string[]) => run("docker", ["exec", HERE, "nft", ...words]);
  afterEach(async () => {
    if (HERE !== "") await nft("delete", "table", "ip", "e2e").catch(() => {});
  });

  test.each([
    ["reset", "reject with tcp reset", RESET_WITHIN],
    ["cut", "drop", CUT_WITHIN],
  ])(
    "the kernel connection of a shortcut is %s on the node: the shortcut ends within the stated time",
    async (how, verdict, within) => {
      const { namespace } = place;
      const ip = await server(`${how}-server`);
      const { address, port } = await talker(`${how}-client`, `${ip}:7000`);
      expect((await statusOf(`${how}-client`)).shortcut.connections).toBe(1);
      await nft("add", "table", "ip", "e2e");
      await nft(
        "add",
        "chain",
        "ip",
        "e2e",
        "forward",
        "{ type filter hook forward priority -10; }",
      );
      const client = address.replace("::ffff:", "");
      const began = Date.now();
      for (const [from, fromPort, to, toPort] of [
        [client, port, ip, "7000"],
        [ip, "7000", client, port],
      ] as const) {
        const tuple = `ip saddr ${from} ip daddr ${to} tcp sport ${fromPort} tcp dport ${toPort}`;
        await nft(
          "add",
          "rule",
          "ip",
          "e2e",
          "forward",
          ...tuple.split(" "),
          "counter",
          ...verdict.split(" "),
        );
      }
      const ended = await until(
        "the client's connection has ended",
        async () => /ended (\d+)/.exec(await logs(namespace, `${how}-client`))?.[1],
        { timeout: within + 30_000, state: () => nft("list", "table", "ip", "e2e") },
      );
      const said = await logs(namespace, `${how}-client`);
      const took = Number(ended) - began;
      process.stdout.write(
        `${how}: ended after ${took} ms, ${/error \S+/.exec(said)?.[0] ?? "no error"}\n`,
      );
      expect(took).toBeLessThan(within);
      expect(said).toMatch(/error (ECONNRESET|ETIMEDOUT|ECONNABORTED|EPIPE)/);
    },
  );
});
