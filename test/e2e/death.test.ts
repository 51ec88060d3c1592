/** The agent dies, a guest dies: who depends on it is told at once, nobody else notices. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { connectPeer, echoed, endOf, listenPeer } from "./peer.ts";
import { descriptors, mappedRegions } from "./proc.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, freePort, type Status, sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

const CONNECTIONS = 20;
/** "At once": far below every timeout of the product, far above a busy machine's hiccup. */
const AT_ONCE = 3_000;

/** Connections of the guest to a native server, and of native clients to the guest's listener. */
async function connectBothWays(guest: Puppet, hostPort: number): Promise<number> {
  const peer = await listenPeer(() => {});
  await guest.listen("server", 8080);
  for (let n = 0; n < CONNECTIONS; n++) {
    await guest.connect(`client${n}`, "host.outsock", peer.port);
    await connectPeer(hostPort);
    await guest.seen("server", "connection");
  }
  await until("every connection is accepted", () => accepted(guest) === CONNECTIONS);
  return peer.port;
}

function accepted(guest: Puppet): number {
  return guest.events("server").filter((event) => event.event === "connection").length;
}

describe.skipIf(!BUILT)("agent killed by SIGKILL", () => {
  test("every relayed socket of a guest gets ECONNRESET at once", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const hostPort = await freePort();
    const guest = await guestPuppet(box, { options: ["--publish", `${hostPort}:8080`] });
    await connectBothWays(guest, hostPort);
    agent.kill("SIGKILL");
    const names = Array.from({ length: CONNECTIONS }, (_, n) => [`client${n}`, `server.${n}`]);
    for (const name of names.flat()) {
      const error = await guest.seen(name, "error", AT_ONCE);
      expect(error).toMatchObject({ code: "ECONNRESET", errno: -104, syscall: "read" });
      expect(await guest.seen(name, "close", AT_ONCE)).toMatchObject({ hadError: true });
    }
    expect(guest.process.outcome).toBeUndefined();
  }, 60_000);

  test("new calls fail at once with ENETDOWN, none hangs", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const guest = await guestPuppet(box);
    await guest.listen("before", 9000);
    agent.kill("SIGKILL");
    await agent.ended;
    guest.do({ do: "connect", id: "connect", host: "127.0.0.1", port: 9000 });
    guest.do({ do: "listen", id: "listen", port: 9001 });
    guest.do({ do: "udp", id: "bind", port: 9002 });
    guest.do({ do: "udp", id: "send", send: "x", port: 9003, address: "127.0.0.1" });
    guest.do({ do: "lookup", id: "lookup", name: "somebody.outsock.invalid" });
    expect(await guest.seen("connect", "error", AT_ONCE)).toMatchObject({
      code: "ENETDOWN",
      errno: -100,
      syscall: "connect",
      address: "127.0.0.1",
      port: 9000,
    });
    expect(await guest.seen("listen", "error", AT_ONCE)).toMatchObject({
      code: "ENETDOWN",
      errno: -100,
      syscall: "listen",
      port: 9001,
    });
    expect(await guest.seen("bind", "error", AT_ONCE)).toMatchObject({ code: "ENETDOWN" });
    expect(await guest.seen("send", "error", AT_ONCE)).toMatchObject({ code: "ENETDOWN" });
    expect(await guest.seen("lookup", "error", AT_ONCE)).toMatchObject({ syscall: "getaddrinfo" });
    expect(guest.events("before").map((event) => event.event)).toEqual(["listening"]);
  }, 60_000);

  test("a call that blocks on the agent ends with ENETDOWN", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const guest = await guestPuppet(box);
    agent.kill("SIGSTOP");
    guest.do({ do: "listen", id: "server", port: 9001 });
    await until("the guest waits in poll(2)", () => waitsInPoll(guest.process.pid));
    agent.kill("SIGKILL");
    expect(await guest.seen("server", "error", AT_ONCE)).toMatchObject({ code: "ENETDOWN" });
  }, 60_000);

  test("agent started again: listeners, published ports, datagrams and names work without a restart", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const hostPort = await freePort();
    const web = await guestPuppet(box, {
      options: ["--name", "web", "--publish", `${hostPort}:8080`],
    });
    const app = await guestPuppet(box, { options: ["--name", "app"] });
    await web.listen("server", 8080);
    await app.listen("server", 3000);
    app.do({ do: "udp", id: "udp", port: 5000 });
    await app.seen("udp", "listening");
    const before = await box.status();
    agent.kill("SIGKILL");
    await agent.ended;

    await box.agent();
    await until("both guests attach again", async () => (await box.status())?.guests.length === 2);
    const socket = await until("the published port answers", () =>
      connectPeer(hostPort).catch(() => undefined),
    );
    expect((await echoed(socket, Buffer.from("still here"))).toString()).toBe("still here");
    await answers((await box.status())!, "app", 3000);
    await web.connect("to-app", "app", 3000);
    web.do({ do: "write", id: "to-app", text: "hello app" });
    expect(await web.seen("to-app", "data")).toMatchObject({ text: "hello app" });
    web.do({ do: "udp", id: "from-web", send: "a datagram", port: 5000, address: "app" });
    expect(await app.seen("udp", "message")).toMatchObject({ text: "a datagram" });
    const after = await box.status();
    const identity = (status: typeof before) =>
      status?.guests
        .map(({ name, address, published, processes }) => ({
          name,
          address,
          published,
          pids: processes.map((process) => process.pid),
        }))
        .sort((a, b) => a.name.localeCompare(b.name));
    expect(identity(after)).toEqual(identity(before));
    expect(web.events("server").map((event) => event.event)).toEqual(["listening", "connection"]);
  }, 60_000);

  test("an agent that `outsock run` started, killed: the next `outsock run` starts one for both", async () => {
    const box = sandbox();
    const first = await guestPuppet(box, { options: ["--name", "first"] });
    await first.listen("server", 3000);
    const { pid } = (await box.status())!;
    process.kill(pid, "SIGKILL");
    const second = await guestPuppet(box, { options: ["--name", "second"] });
    await until("both are attached", async () => (await box.status())?.guests.length === 2);
    await answers((await box.status())!, "first", 3000);
    await second.connect("client", "first", 3000);
    expect((await box.status())?.pid).not.toBe(pid);
  }, 60_000);
});

describe.skipIf(!BUILT)("guest killed by SIGKILL", () => {
  test("its sockets close at once, its published port is free", async () => {
    const box = sandbox();
    await box.agent();
    const hostPort = await freePort();
    const guest = await guestPuppet(box, { options: ["--publish", `${hostPort}:8080`] });
    const inside = new Promise<string>((resolve) => {
      void listenPeer((socket) => void endOf(socket).then(resolve)).then(({ port }) =>
        guest.connect("client", "host.outsock", port),
      );
    });
    await guest.seen("client", "connect");
    await guest.listen("server", 8080);
    const outside = await connectPeer(hostPort);
    await guest.seen("server", "connection");
    const ends = Promise.all([inside, endOf(outside)]);
    outside.resume();
    const began = performance.now();
    guest.process.kill("SIGKILL");
    for (const end of await ends) expect(["end", "ECONNRESET"]).toContain(end);
    expect(performance.now() - began).toBeLessThan(AT_ONCE);
    await until("the port is free", async () => {
      const code = await connectPeer(hostPort).then(
        () => "connected",
        (error: NodeJS.ErrnoException) => error.code,
      );
      return code === "ECONNREFUSED";
    });
    await listenOn(hostPort);
  }, 60_000);

  test("the agent keeps neither descriptors nor regions, after many guests and sockets", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const peer = await listenPeer((socket) => socket.pipe(socket));
    const hostPort = await freePort();
    const count = () => ({
      descriptors: descriptors(agent.pid).sort().map(kind),
      regions: mappedRegions(agent.pid),
    });
    const before = count();
    for (let round = 0; round < 3; round++) {
      const guest = await guestPuppet(box, { options: ["--publish", `${hostPort}:8080`] });
      await guest.listen("server", 8080);
      guest.do({ do: "udp", id: "udp", port: 5000 });
      for (let n = 0; n < CONNECTIONS; n++) {
        await guest.connect(`client${n}`, "host.outsock", peer.port);
        const socket = await connectPeer(hostPort);
        await echoed(socket, Buffer.alloc(10_000, n));
      }
      expect(mappedRegions(agent.pid)).toBe(1);
      guest.process.kill("SIGKILL");
      await guest.process.ended;
    }
    await until("the agent gave all back", () => same(count(), before), {
      state: () => JSON.stringify([before, count()]),
    });
  }, 60_000);

  test("another guest's connections go on undisturbed", async () => {
    const box = sandbox();
    await box.agent();
    const peer = await listenPeer((socket) => socket.pipe(socket));
    const survivor = await guestPuppet(box, { options: ["--name", "survivor"] });
    await survivor.listen("server", 3000);
    await survivor.connect("client", "host.outsock", peer.port);
    const victim = await guestPuppet(box, { options: ["--name", "victim"] });
    await victim.connect("to-survivor", "survivor", 3000);
    const exchange = async (text: string) => {
      survivor.do({ do: "write", id: "client", text });
      await until(`echo of ${text}`, () =>
        survivor.events("client").some((event) => event.text === text),
      );
    };
    await exchange("before");
    victim.process.kill("SIGKILL");
    await survivor.seen("server.0", "close", AT_ONCE);
    await exchange("after");
    expect(survivor.events("client").map((event) => event.event)).toEqual([
      "connect",
      "data",
      "data",
    ]);
    const third = await guestPuppet(box, { options: ["--name", "victim"] });
    await third.connect("again", "survivor", 3000);
  }, 60_000);
});

/** An attached guest listens again a little later: waits until a client gets through. */
async function answers({ guests }: Status, guest: string, port: number): Promise<void> {
  const { address } = guests.find(({ name }) => name === guest)!;
  await until(`${guest} listens at ${port}`, () =>
    connectPeer(port, address).catch(() => undefined),
  );
}

/** In poll(2) of one descriptor: the event loop waits in epoll instead. */
function waitsInPoll(pid: number): boolean {
  return /^(do_poll|poll_schedule|do_sys_poll)/.test(readFileSync(`/proc/${pid}/wchan`, "utf8"));
}

function kind(target: string): string {
  return target.replace(/\[\d+\]/, "").replace(/\d+$/, "");
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Binds and listens natively, so the port is free. */
async function listenOn(port: number): Promise<void> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  await once(server, "close");
}
