/** The shortcut between guests: as TCP to the programs, past the agent, and refused with a reason. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { HandGuest, HONEST } from "./hand-guest.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, program, type Sandbox, sandbox } from "./sandbox.ts";
import { pathsOf, twoGuests } from "./shortcut.ts";
import { until } from "./wait.ts";

const certificates = createRequire(import.meta.url)("../conformance/certificates.cjs") as {
  ca: string;
  localhost: { key: string; cert: string };
};
const SHORTCUT = "shortcut";
const DISABLED = "relay: disabled";
const OLD = "relay: the peer or the guest speaks protocol version 1";

function textOf(puppet: Puppet, id: string): string {
  const data = puppet.events(id).filter(({ event }) => event === "data");
  return data.map(({ text }) => text).join("");
}

async function infoOf(puppet: Puppet, id: string) {
  const before = puppet.events(id).filter(({ event }) => event === "info").length;
  puppet.do({ do: "info", id });
  return until(
    `info of ${id}`,
    () => puppet.events(id).filter(({ event }) => event === "info")[before],
  );
}

/** `one` connects to `two`: "client" and "server.0", which says what it reads. */
async function connected(
  box: Sandbox,
  options: { paused?: boolean; allowHalfOpen?: boolean } = {},
) {
  await box.agent();
  const { one, two } = await twoGuests(box);
  await two.listen("server", 3000, { host: "0.0.0.0", silent: true, ...options });
  await one.connect("client", "two", 3000, { allowHalfOpen: true });
  await two.seen("server", "connection");
  expect(await pathsOf(box, "one")).toEqual({ [SHORTCUT]: 1 });
  expect(await pathsOf(box, "two")).toEqual({ [SHORTCUT]: 1 });
  return { one, two };
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

describe.skipIf(!BUILT)("a connection between two guests that took the shortcut", () => {
  test("bytes come in order both ways; counts and addresses are TCP's", async () => {
    const box = sandbox();
    const { one, two } = await connected(box);
    const words = Array.from({ length: 200 }, (_, n) => `${n};`);
    for (const text of words) {
      one.do({ do: "write", id: "client", text });
      two.do({ do: "write", id: "server.0", text });
    }
    const all = words.join("");
    await until(
      "all of it",
      () => textOf(two, "server.0") === all && textOf(one, "client") === all,
    );
    const client = await infoOf(one, "client");
    const server = await infoOf(two, "server.0");
    expect(client).toMatchObject({ bytesRead: all.length, bytesWritten: all.length });
    expect(server).toMatchObject({ bytesRead: all.length, bytesWritten: all.length });
    expect(client.remotePort).toBe(3000);
    expect(server.localPort).toBe(3000);
    expect(client.localPort).toBe(server.remotePort);
    expect(client.localAddress).toBe(server.remoteAddress);
    expect(client.remoteAddress).toBe(server.localAddress);
    const { guests } = (await box.status())!;
    const address = (name: string) => guests.find((guest) => guest.name === name)?.address;
    expect(client.localAddress).toBe(address("one"));
    expect(client.remoteAddress).toBe(address("two"));
    const ps = await box.outsock(["ps", "--paths"]);
    expect(ps.stdout).toMatch(/shortcut/);
    expect(ps.stdout).toMatch(/100%/);
  }, 60_000);

  test("one side ends: the other one reads the end, and still writes", async () => {
    const box = sandbox();
    const { one, two } = await connected(box, { allowHalfOpen: true });
    one.do({ do: "end", id: "client", text: "question" });
    expect(await two.seen("server.0", "end")).toMatchObject({ received: 8 });
    two.do({ do: "write", id: "server.0", text: "late " });
    two.do({ do: "end", id: "server.0", text: "answer" });
    expect(await one.seen("client", "end")).toMatchObject({ received: 11 });
    expect(textOf(one, "client")).toBe("late answer");
    expect(await one.seen("client", "close")).toMatchObject({ hadError: false });
    expect(await two.seen("server.0", "close")).toMatchObject({ hadError: false });
  }, 60_000);

  test("resetAndDestroy: the other one reads what came before, then ECONNRESET", async () => {
    const box = sandbox();
    const { one, two } = await connected(box);
    one.do({ do: "write", id: "client", text: "before" });
    await until("the bytes", () => textOf(two, "server.0") === "before");
    one.do({ do: "reset", id: "client" });
    expect(await two.seen("server.0", "error")).toMatchObject({
      code: "ECONNRESET",
      errno: -104,
      syscall: "read",
    });
    expect(await one.seen("client", "close")).toMatchObject({ hadError: false });
  }, 60_000);

  test("closed with unread bytes: ECONNRESET, as close(2) does", async () => {
    const box = sandbox();
    const { one, two } = await connected(box, { paused: true });
    one.do({ do: "write", id: "client", text: "never read" });
    await until(
      "the agent's count of bytes",
      async () => (await infoOf(one, "client")).bytesWritten,
    );
    two.do({ do: "close", id: "server.0" });
    expect(await one.seen("client", "error")).toMatchObject({ code: "ECONNRESET" });
  }, 60_000);

  test("closed by the one that connects before it knows: the other one sees the end", async () => {
    const box = sandbox();
    await box.agent();
    const { one, two } = await twoGuests(box);
    await two.listen("server", 3000, { silent: true });
    for (let n = 0; n < 50; n++) {
      one.do({ do: "touch", id: `touch${n}`, host: "two", port: 3000 });
      await one.seen(`touch${n}`, "touched");
    }
    await one.connect("last", "two", 3000);
    const accepted = () => two.events("server").filter(({ event }) => event === "connection");
    await until("the last one", () => accepted().some(({ name }) => name !== undefined));
    one.do({ do: "close", id: "last" });
    await until("every connection has closed", () =>
      accepted().every(({ name }) => two.events(name).some(({ event }) => event === "close")),
    );
    const ends = two.events().filter(({ event }) => event === "error");
    expect(ends.filter(({ code }) => code !== "ECONNRESET")).toEqual([]);
  }, 120_000);

  test("a reader that stops: the writer is held back, and nothing grows", async () => {
    const box = sandbox();
    const { one, two } = await connected(box, { paused: true });
    one.do({ do: "fill", id: "client", chunk: 65_536 });
    const full = await one.seen("client", "full");
    // The ring, and what the program's own stream keeps.
    expect(full.written).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(full.waiting).toBeGreaterThan(0);
    expect(residentBytes(two.process.pid)).toBeLessThan(256 * 1024 * 1024);
    expect(one.events("client").some(({ event }) => event === "drain")).toBe(false);
    two.do({ do: "resume", id: "server.0" });
    await one.seen("client", "drain");
    one.do({ do: "end", id: "client" });
    expect((await two.seen("server.0", "close")).hadError).toBe(false);
    expect((await infoOf(one, "client")).bytesWritten).toBe(full.written);
  }, 60_000);
});

describe.skipIf(!BUILT)("connections that stay on the relay say why", () => {
  const works = async (one: Puppet, id: string) => {
    one.do({ do: "write", id, text: "over the relay" });
    await until("the echo", () => textOf(one, id) === "over the relay");
  };

  test.each([
    ["one", { one: ["--no-shortcut"] }],
    ["two", { two: ["--no-shortcut"] }],
  ])(
    "--no-shortcut of guest %s",
    async (_name, options) => {
      const box = sandbox();
      await box.agent();
      const { one, two } = await twoGuests(box, options);
      await two.listen("server", 3000);
      await one.connect("client", "two", 3000);
      await works(one, "client");
      expect(await pathsOf(box, "one")).toEqual({ [DISABLED]: 1 });
      expect(Object.keys(await pathsOf(box, "two"))).not.toContain(SHORTCUT);
    },
    60_000,
  );

  test("option of one connection, and of one listener", async () => {
    const box = sandbox();
    await box.agent();
    const { one, two } = await twoGuests(box);
    await two.listen("server", 3000);
    await two.listen("slow", 3001, { outsock: { shortcut: false } });
    await one.connect("client", "two", 3000, { outsock: { shortcut: false } });
    await works(one, "client");
    await one.connect("to-slow", "two", 3001);
    await works(one, "to-slow");
    expect(await pathsOf(box, "one")).toEqual({ [DISABLED]: 2 });
    await one.connect("fast", "two", 3000);
    await works(one, "fast");
    expect(await pathsOf(box, "one")).toEqual({ [DISABLED]: 2, [SHORTCUT]: 1 });
  }, 60_000);

  test("a guest of protocol version 1", async () => {
    const box = sandbox();
    await box.agent();
    const puppet = await guestPuppet(box, { options: ["--name", "new"] });
    await puppet.listen("server", 3000);
    const guest = await HandGuest.attach(box.socket, { ...HONEST, name: "old" });
    try {
      const { address } = (await box.status())!.guests.find(({ name }) => name === "new")!;
      guest.connect(1, address, 3000);
      await puppet.seen("server", "connection");
      expect(await pathsOf(box, "old")).toEqual({ [OLD]: 1 });
      expect(Object.keys(await pathsOf(box, "new"))).not.toContain(SHORTCUT);
    } finally {
      guest.close();
    }
  }, 60_000);
});

describe.skipIf(!BUILT)("programs over the shortcut", () => {
  test("64 MiB each way, HTTP keep-alive, WebSocket, undici, TLS, threads and children", async () => {
    const box = sandbox();
    await box.agent();
    const { ca, localhost } = certificates;
    const env = { CERTIFICATE: JSON.stringify({ ca, ...localhost }) };
    const run = (name: string, args: string[]) =>
      box.guest(program("peers.mjs"), { options: ["--name", name], args, env });
    const server = run("server", ["serve"]);
    await server.printed(/listening/);
    const client = run("client", ["call", "server"]);
    await client.printed(/"done"/, 120_000);
    const records = client.records<{ event: string; sent: string; got: string }>();
    const of = (event: string) => records.find((record) => record.event === event);
    const bytes = 64 * 1024 * 1024;
    const there = server.records<{ event: string; sent: string; got: string }>().at(-1)!;
    expect(of("bulk")).toEqual({
      event: "bulk",
      sent: there.got.split(" ")[1],
      got: `${bytes} ${there.sent}`,
      bytesRead: bytes,
      bytesWritten: bytes,
    });
    expect(of("keepAlive")).toEqual({ event: "keepAlive", right: true, sockets: 1 });
    expect(of("webSocket")).toEqual({ event: "webSocket", right: true, large: true });
    expect(of("undici")).toEqual({ event: "undici", right: true, fetched: "GET /fetched " });
    expect(of("tls")).toEqual({ event: "tls", authorized: true, body: "GET /secret " });
    expect(of("worker")).toEqual({ event: "worker", text: "from a worker" });
    expect(of("child")).toEqual({ event: "child", text: "from a child" });
    expect(Object.keys(await pathsOf(box, "client"))).toEqual([SHORTCUT]);
    const status = await box.status();
    for (const { processes } of status!.guests) {
      for (const { counters } of processes) expect(counters.relayBytes).toBe(0);
    }
  }, 180_000);

  test("3,000 connections to three servers, local ports shared: none is crossed", async () => {
    const box = sandbox();
    await box.agent();
    const ports = [3001, 3002, 3003];
    const servers = ports.map((port) =>
      box.guest(program("names.cjs"), {
        options: ["--name", `server-${port}`],
        args: ["serve", `server-${port}`, String(port)],
      }),
    );
    for (const server of servers) await server.printed(/listening/);
    const client = box.guest(program("names.cjs"), {
      options: ["--name", "client"],
      args: ["connect", ports.map((port) => `server-${port}:${port}`).join(","), "3000", "50"],
    });
    await client.printed(/named|failed/, 120_000);
    const named = client.records<{ shared: number }>()[0]!;
    expect(named).toMatchObject({ event: "named", connections: 3000, crossed: 0 });
    // The kernel gave several connections the same local port.
    expect(named.shared).toBeGreaterThan(0);
    expect(await pathsOf(box, "client")).toEqual({ [SHORTCUT]: 3000 });
  }, 180_000);
});
