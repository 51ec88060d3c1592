/** A NetworkPolicy decides over guests as over any pod: when a connection is made. */
import { expect, test } from "vitest";
import { onCluster, WORKERS } from "./cluster.ts";
import { apply, type KubeObject } from "./kubectl.ts";
import { fetchIn, HELLO, IDLE, pod, podReady, service } from "./objects.ts";
import { until } from "./until.ts";

const [HERE = "", THERE = ""] = WORKERS;

onCluster("network policy", (place) => {
  test.each([
    ["one node", HERE, HERE],
    ["two nodes", HERE, THERE],
  ])("%s: it blocks whom it does not allow, and, changed, allows", async (title, at, from) => {
    const { namespace } = place;
    const id = title.replace(" ", "-");
    const labels = { group: id };
    const guest = { mode: "outsourced" as const };
    const client = (name: string) => pod(namespace, name, { ...guest, script: IDLE, node: from });
    const [friend, stranger, vault] = [`friend-${id}`, `stranger-${id}`, `vault-${id}`];
    await apply(
      pod(namespace, vault, { ...guest, script: HELLO, port: 8080, node: at, labels }),
      service(namespace, vault, 8080),
      client(friend),
      client(stranger),
    );
    await podReady(namespace, vault, friend, stranger);
    const ask = (who: string) => fetchIn(namespace, who, `http://${vault}:8080/`);
    const answered = expect.stringMatching(new RegExp(`^${vault} `));
    await until(
      "without a policy both are answered",
      async () => (await ask(friend)).startsWith(vault) && (await ask(stranger)).startsWith(vault),
    );

    const policy = (...allowed: string[]): KubeObject => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace, name: id },
      spec: {
        podSelector: { matchLabels: labels },
        policyTypes: ["Ingress"],
        ingress: allowed.map((test) => ({
          from: [{ podSelector: { matchLabels: { test } } }],
          ports: [{ port: 8080, protocol: "TCP" }],
        })),
      },
    });
    await apply(policy(friend));
    await until("the stranger is blocked", async () => (await ask(stranger)).startsWith("failed"));
    expect(await ask(friend)).toEqual(answered);
    expect(await ask(stranger)).toMatch(/^failed/);

    await apply(policy(friend, stranger));
    await until("the stranger is let in", async () => (await ask(stranger)).startsWith(vault));
    expect(await ask(friend)).toEqual(answered);

    await apply(policy());
    await until("nobody is let in", async () => (await ask(friend)).startsWith("failed"));
  });

  test("a policy of egress holds for a guest that connects", async () => {
    const { namespace } = place;
    const guest = { mode: "outsourced" as const };
    await apply(
      pod(namespace, "page", { ...guest, script: HELLO, port: 8080, node: HERE }),
      service(namespace, "page", 8080),
      pod(namespace, "caller", { ...guest, script: IDLE, node: HERE }),
    );
    await podReady(namespace, "page", "caller");
    const ask = () => fetchIn(namespace, "caller", "http://page:8080/");
    await until("it is answered", async () => (await ask()).startsWith("page"));
    await apply({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace, name: "no-way-out" },
      spec: {
        podSelector: { matchLabels: { test: "caller" } },
        policyTypes: ["Egress"],
        egress: [
          {
            ports: [
              { port: 53, protocol: "UDP" },
              { port: 53, protocol: "TCP" },
            ],
          },
        ],
      },
    });
    await until("it is blocked", async () => (await ask()).startsWith("failed"));
  });
});
