/** Programs as they come from npm, as guests. */
import { expect, test } from "vitest";
import { onCluster } from "./cluster.ts";
import { POSTGRES, TESTBED } from "./images.ts";
import { apply } from "./kubectl.ts";
import { exec, IDLE, node, pod, podReady, service } from "./objects.ts";
import { guests } from "./release.ts";
import { until } from "./until.ts";

onCluster("third-party", (place) => {
  const guest = (name: string, command: string[], port?: number) =>
    pod(place.namespace, name, {
      mode: "outsourced",
      image: TESTBED,
      command,
      ...(port === undefined ? {} : { port }),
    });
  const client = () => guest("client", ["node", "-e", IDLE]);
  const isGuest = (name: string) =>
    until(`${name} is a guest`, async () =>
      (await guests(place.release, place.namespace)).some((it) => it.pod === name),
    );

  test("fastify: pages and JSON, asked by a guest", async () => {
    const { namespace } = place;
    await apply(
      guest("fastify", ["node", "fastify.mjs"], 8080),
      service(namespace, "fastify", 8080),
      client(),
    );
    await podReady(namespace, "fastify", "client");
    await isGuest("fastify");
    const answers = await node(
      namespace,
      "client",
      `
      const page = await (await fetch("http://fastify:8080/")).json();
      const sum = await (await fetch("http://fastify:8080/sum", { method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ numbers: [1, 2, 39] }) })).json();
      console.log(JSON.stringify([page, sum]));`,
    );
    expect(JSON.parse(answers)).toEqual([{ framework: "fastify", at: 8080 }, { sum: 42 }]);
  });

  test("express: the client's address is the client pod's, a body of 50 kB comes back", async () => {
    const { namespace } = place;
    await apply(
      guest("express", ["node", "express.cjs"], 8080),
      service(namespace, "express", 8080),
      client(),
    );
    await podReady(namespace, "express", "client");
    await isGuest("express");
    const answers = await node(
      namespace,
      "client",
      `
      import { networkInterfaces } from "node:os";
      const { framework, ip } = await (await fetch("http://express:8080/")).json();
      const text = "x".repeat(50_000);
      const echo = await (await fetch("http://express:8080/echo", { method: "POST",
        headers: { "content-type": "application/json" }, body: JSON.stringify({ text }) })).json();
      const own = Object.values(networkInterfaces()).flat().map(({ address }) => "::ffff:" + address);
      console.log(JSON.stringify([framework, own.includes(ip), echo.text === text]));`,
    );
    expect(JSON.parse(answers)).toEqual(["express", true, true]);
  });

  test("a ws chat: two clients hear all that both say", async () => {
    const { namespace } = place;
    await apply(
      guest("chat", ["node", "chat.mjs"], 8080),
      service(namespace, "chat", 8080),
      client(),
    );
    await podReady(namespace, "chat", "client");
    await isGuest("chat");
    const heard = JSON.parse(
      await exec(namespace, "client", "node", "chat-client.mjs", "ws://chat:8080"),
    );
    expect(heard.ann).toHaveLength(20);
    expect(heard.ann).toEqual(heard.bob);
    expect(heard.bob[0]).toBe("ann 0");
  });

  test("undici's pool: a hundred answers over eight connections", async () => {
    const { namespace } = place;
    await apply(
      guest("pages", ["node", "fastify.mjs"], 8080),
      service(namespace, "pages", 8080),
      client(),
    );
    await podReady(namespace, "pages", "client");
    const said = await exec(namespace, "client", "node", "undici.mjs", "http://pages:8080");
    expect(said).toContain("100 answers");
  });

  test("pg: a guest works with PostgreSQL in an ordinary pod", async () => {
    const { namespace } = place;
    const database = pod(namespace, "postgres", { image: POSTGRES, port: 5432 });
    await apply(database, service(namespace, "postgres", 5432), client());
    await podReady(namespace, "postgres", "client");
    const url = "postgres://rubis@postgres:5432/postgres";
    const said = await exec(namespace, "client", "node", "postgres.mjs", url);
    expect(JSON.parse(said)).toEqual({ sum: 500500 });
  });
});
