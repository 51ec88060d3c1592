/** Shortcuts: who is at the other end, and whose death ends them. */
import { describe, expect, test } from "vitest";
import { networkNamespace } from "./namespace.ts";
import { descriptors } from "./proc.ts";
import type { TestProcess } from "./process.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, program, type RunOptions, type Sandbox, sandbox, whyNotRoot } from "./sandbox.ts";
import { until } from "./wait.ts";

/** "At once": far below every timeout of the product, far above a busy machine's hiccup. */
const AT_ONCE = 3_000;
/** A kernel connection that is reset is noticed when keepalive asks: 10 s, and a second's look. */
const WITHIN = 30_000;

interface Pair {
  server: Puppet;
  client: Puppet;
}

/** A guest connected to another one, over a shortcut whose lifelines both have. */
async function connected(box: Sandbox, options: RunOptions = {}): Promise<Pair> {
  const server = await guestPuppet(box, { ...options, options: ["--name", "server"] });
  const client = await guestPuppet(box, { ...options, options: ["--name", "client"] });
  await server.listen("s", 8080);
  const before = [server, client].map(({ process }) => sockets(process.pid));
  await client.connect("c", "server", 8080);
  await echo(client, "first");
  // Doorbell of the pair and lifeline.
  await until("both have their lifelines", () =>
    [server, client].every(({ process }, i) => sockets(process.pid) >= before[i]! + 2),
  );
  return { server, client };
}

function sockets(pid: number): number {
  return descriptors(pid).filter((what) => what.startsWith("socket:")).length;
}

async function echo(client: Puppet, text: string): Promise<void> {
  const before = client.events("c").length;
  client.do({ do: "write", id: "c", text });
  await until(
    `"${text}" comes back`,
    () =>
      client
        .events("c")
        .slice(before)
        .find((event) => event.event === "data" && event.text === text),
    { state: () => client.process.stdout + client.process.stderr },
  );
}

interface Paths {
  guests: { name: string; processes: { paths: Record<string, number> }[] }[];
}

async function pathsOf(box: Sandbox): Promise<Record<string, Record<string, number>>> {
  const status = (await box.ask({ request: "status" })) as Paths | undefined;
  return Object.fromEntries(
    (status?.guests ?? []).map(({ name, processes }) => [name, processes[0]?.paths ?? {}]),
  );
}

async function restored(box: Sandbox): Promise<void> {
  await until("both told the new agent of the shortcut", async () => {
    const paths = await pathsOf(box);
    return paths.server?.shortcut === 1 && paths.client?.shortcut === 1;
  });
}

async function lost(puppet: Puppet, id: string, timeout = AT_ONCE): Promise<void> {
  expect(await puppet.seen(id, "error", timeout)).toMatchObject({
    code: "ECONNRESET",
    errno: -104,
    syscall: "read",
  });
  expect(await puppet.seen(id, "close", AT_ONCE)).toMatchObject({ hadError: true });
}

describe.skipIf(!BUILT)("shortcut", () => {
  test("agent killed: it goes on; then one guest killed: the other gets ECONNRESET at once", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const { server, client } = await connected(box);
    expect(await pathsOf(box)).toEqual({ server: { shortcut: 1 }, client: { shortcut: 1 } });
    agent.kill("SIGKILL");
    await agent.ended;
    await echo(client, "without an agent");
    server.process.kill("SIGKILL");
    await lost(client, "c");
    expect(client.process.outcome).toBeUndefined();
  });

  test("agent alive and a guest killed: the other gets ECONNRESET at once", async () => {
    const box = sandbox();
    await box.agent();
    const { server, client } = await connected(box);
    client.process.kill("SIGKILL");
    await lost(server, "s.0");
  });

  test("a guest that exits: the other sees the end, as the kernel does it", async () => {
    const box = sandbox();
    await box.agent();
    const { server, client } = await connected(box);
    client.do({ do: "exit", code: 0 });
    await server.seen("s.0", "end", AT_ONCE);
    expect(await server.seen("s.0", "close", AT_ONCE)).toMatchObject({ hadError: false });
  });

  test("agent killed and started again: told of it by both, and new ones are made beside it", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const { client } = await connected(box);
    agent.kill("SIGKILL");
    await agent.ended;
    await box.agent();
    await restored(box);
    await echo(client, "past two agents");
    await client.connect("d", "server", 8080);
    client.do({ do: "write", id: "d", text: "new" });
    expect(await client.seen("d", "data")).toMatchObject({ text: "new" });
    expect((await pathsOf(box)).client).toEqual({ shortcut: 2 });
    client.do({ do: "close", id: "c" });
    await client.seen("c", "close");
    client.do({ do: "write", id: "d", text: " and goes on" });
    await until("the new one goes on", () =>
      client.events("d").some(({ text }) => text === " and goes on"),
    );
  });

  const why = whyNotRoot("unshare", "nsenter", "ip", "nft");
  describe.skipIf(why !== undefined)(`kernel connection reset${why ? ` (${why})` : ""}`, () => {
    /** Everything to the server's port is answered with a reset, from now on. */
    async function cut(box: Sandbox, prefix: readonly string[]): Promise<void> {
      const rules =
        "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; " +
        "add rule inet cut out tcp dport 8080 reject with tcp reset";
      const outcome = await box.start("nft", [rules], { prefix }).ended;
      expect(outcome).toMatchObject({ code: 0, stderr: "" });
    }

    test("both guests get ECONNRESET", async () => {
      const { prefix } = await networkNamespace({ loopback: true });
      const box = sandbox();
      await box.agent({ prefix });
      const { server, client } = await connected(box, { prefix });
      await cut(box, prefix);
      await Promise.all([lost(client, "c", WITHIN), lost(server, "s.0", WITHIN)]);
    });

    test("after the agent was started again: both guests get ECONNRESET", async () => {
      const { prefix } = await networkNamespace({ loopback: true });
      const box = sandbox();
      const agent = await box.agent({ prefix });
      const { server, client } = await connected(box, { prefix });
      agent.kill("SIGKILL");
      await agent.ended;
      await box.agent({ prefix });
      await restored(box);
      await cut(box, prefix);
      await Promise.all([lost(client, "c", WITHIN), lost(server, "s.0", WITHIN)]);
    });
  });

  test("3,000 connections of one guest to three servers, local ports shared: none is crossed", async () => {
    const box = sandbox();
    await box.agent();
    const told = (process: TestProcess, event: string) =>
      until(
        `${event} of ${process.pid}`,
        () => process.records<{ event: string }>().find((record) => record.event === event),
        { timeout: 120_000, state: () => process.stdout + process.stderr },
      );
    const names = ["red", "green", "blue"];
    for (const [i, name] of names.entries()) {
      const server = box.guest(program("namesake.cjs"), {
        options: ["--name", name],
        args: ["serve", name, String(7000 + i)],
      });
      await told(server, "listening");
    }
    const client = box.guest(program("namesake.cjs"), {
      options: ["--name", "client"],
      args: ["ask", "3000", ...names.map((name, i) => `${name}:${7000 + i}`)],
    });
    const done = (await told(client, "done")) as { crossed: unknown[]; shared: number };
    expect(done).toMatchObject({ settled: 3000, crossed: [] });
    const paths = (await pathsOf(box)).client;
    process.stdout.write(`${done.shared} local ports were shared between destinations\n`);
    expect(paths).toEqual({ shortcut: 3000 });
    expect((await client.ended).code).toBe(0);
  }, 180_000);
});
