/** An agent of several workers: guests balanced over them, shortcuts within and across. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NODE_BUILT, removeFolder, runtimeFolder, TestNode } from "./node.ts";
import { connectPeer, echoed, listenPeer } from "./peer.ts";
import { descriptors, mappedRegions } from "./proc.ts";
import type { TestProcess } from "./process.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, freePort, program, type Sandbox, sandbox, whyNotRoot } from "./sandbox.ts";
import { until } from "./wait.ts";

const AT_ONCE = 3_000;

interface AgentLine {
  guest?: string;
  worker?: number;
  msg: string;
}

function logOf(agent: TestProcess): AgentLine[] {
  return (agent.stdout + agent.stderr)
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as AgentLine);
}

/** The worker that has a guest, by the agent's log. */
function workerOf(agent: TestProcess, guest: string): number | undefined {
  return logOf(agent).findLast((line) => line.guest === guest && line.msg === "guest attached")
    ?.worker;
}

async function named(box: Sandbox, ...names: string[]): Promise<Puppet[]> {
  const puppets: Puppet[] = [];
  // One after the other: each goes where there are fewest.
  for (const name of names) {
    puppets.push(await guestPuppet(box, { options: ["--name", name] }));
  }
  return puppets;
}

async function pathsOf(box: Sandbox, guest: string): Promise<Record<string, number>> {
  const status = (await box.status()) as unknown as {
    guests: { name: string; processes: { paths: Record<string, number> }[] }[];
  };
  return status.guests.find(({ name }) => name === guest)?.processes[0]?.paths ?? {};
}

async function says(from: Puppet, id: string, text: string): Promise<void> {
  from.do({ do: "write", id, text });
  await until(
    `the echo of ${text}`,
    () => from.events(id).some((event) => event.event === "data" && event.text === text),
    { state: () => from.process.stdout },
  );
}

describe("outsock agent --workers", () => {
  test.each(["0", "65", "two", "-1", "1.5"])("%s is refused in a sentence", async (workers) => {
    const box = sandbox();
    const { code, stderr } = await box.outsock(["agent", `--workers=${workers}`]);
    expect(code).toBe(2);
    expect(stderr).toContain(`--workers must be a number from 1 to 64, not "${workers}"`);
  });
});

describe.skipIf(!BUILT)("agent of two workers", () => {
  test("guests are balanced; shortcuts within and across; status counts them", async () => {
    const box = sandbox();
    const agent = await box.agent({ args: ["--workers", "2"] });
    const [a, b, c] = await named(box, "a", "b", "c", "d");
    expect(["a", "b", "c", "d"].map((guest) => workerOf(agent, guest))).toEqual([0, 1, 0, 1]);
    for (const server of [b!, c!]) await server.listen("server", 8080);
    for (const to of ["b", "c"]) {
      await a!.connect(`to-${to}`, to, 8080);
      await says(a!, `to-${to}`, `hello ${to}`);
    }
    await until("the agent counts them", async () => (await pathsOf(box, "a")).shortcut === 2);
    expect(await pathsOf(box, "b")).toEqual({ shortcut: 1 });
    expect(await pathsOf(box, "c")).toEqual({ shortcut: 1 });
    const status = await box.status();
    expect(status!.guests.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
    const dmesg = await box.outsock(["dmesg", "b"]);
    expect(dmesg).toMatchObject({ code: 0, stdout: expect.stringContaining("outsock: attached") });
    a!.do({ do: "close", id: "to-b" });
    await b!.seen("server.0", "close");
  }, 60_000);

  test("a connection that was refused, and one to a guest that has gone, fail as before", async () => {
    const box = sandbox();
    await box.agent({ args: ["--workers", "2"] });
    const [a, b] = await named(box, "a", "b");
    a!.do({ do: "connect", id: "refused", host: "b", port: 9 });
    expect(await a!.seen("refused", "error")).toMatchObject({ code: "ECONNREFUSED" });
    b!.process.kill("SIGKILL");
    await until("b has gone", async () => (await box.status())!.guests.length === 1);
    a!.do({ do: "lookup", id: "name", name: "b" });
    expect((await a!.seen("name", "error")).code).toMatch(/ENOTFOUND|EAI_AGAIN/);
  }, 60_000);

  test("guest of another worker killed: the other end gets ECONNRESET at once", async () => {
    const box = sandbox();
    await box.agent({ args: ["--workers", "2"] });
    const [a, b] = await named(box, "a", "b");
    await b!.listen("server", 8080);
    await a!.connect("client", "b", 8080);
    await says(a!, "client", "hello");
    b!.process.kill("SIGKILL");
    expect(await a!.seen("client", "error", AT_ONCE)).toMatchObject({ code: "ECONNRESET" });
  }, 60_000);

  test("agent killed and started again: the shortcut across goes on, new ones are made", async () => {
    const box = sandbox();
    const first = await box.agent({ args: ["--workers", "2"] });
    const [a, b] = await named(box, "a", "b");
    await b!.listen("server", 8080);
    await a!.connect("old", "b", 8080);
    await says(a!, "old", "one");
    first.kill("SIGKILL");
    await first.ended;
    await says(a!, "old", "two");
    await box.agent({ args: ["--workers", "2"] });
    await until("both attach again", async () => (await box.status())?.guests.length === 2);
    await says(a!, "old", "three");
    await until("b listens again", async () => {
      const port = (await box.status())!.guests.find(({ name }) => name === "b")!.address;
      return connectPeer(8080, port).then(
        () => true,
        () => false,
      );
    });
    const { shortcut = 0 } = await pathsOf(box, "a");
    await a!.connect("new", "b", 8080);
    await says(a!, "new", "four");
    await until("it is one", async () => (await pathsOf(box, "a")).shortcut === shortcut + 1);
  }, 60_000);

  test("relayed traffic in both at once, by published ports, arrives unchanged", async () => {
    const box = sandbox();
    const agent = await box.agent({ args: ["--workers", "2"] });
    const ports = [await freePort(), await freePort()];
    for (const [n, port] of ports.entries()) {
      const options = ["--name", `g${n}`, "--publish", `${port}:8080`];
      const server = box.guest(program("echo.cjs"), { options, args: ["8080"] });
      await server.printed(/ready/);
    }
    expect(workerOf(agent, "g0")).not.toBe(workerOf(agent, "g1"));
    const bytes = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i);
    await Promise.all(
      [...ports, ...ports].map(async (port) => {
        const socket = await connectPeer(port);
        const back = await echoed(socket, bytes);
        expect(back.length).toBe(bytes.length);
        expect(back.findIndex((byte, at) => byte !== bytes[at])).toBe(-1);
      }),
    );
  }, 60_000);

  test("after many guests and sockets it has no more descriptors and regions than before", async () => {
    const box = sandbox();
    const agent = await box.agent({ args: ["--workers", "2"] });
    const peer = await listenPeer((socket) => socket.pipe(socket));
    const hostPort = await freePort();
    let before: number | undefined;
    for (let round = 0; round < 3; round++) {
      const options = ["--name", "b", "--publish", `${hostPort}:8080`];
      const a = await guestPuppet(box, { options: ["--name", "a"] });
      const b = await guestPuppet(box, { options });
      await b.listen("server", 8080);
      for (let n = 0; n < 10; n++) {
        await a.connect(`across${n}`, "b", 8080);
        await says(a, `across${n}`, `${n}`);
        await a.connect(`out${n}`, "host.outsock", peer.port);
        await echoed(await connectPeer(hostPort), Buffer.alloc(1000, n));
      }
      a.process.kill(round === 1 ? "SIGKILL" : "SIGTERM");
      b.process.kill("SIGKILL");
      await until("both are gone", async () => (await box.status())!.guests.length === 0);
      // The first round opens what each worker opens once.
      before ??= descriptors(agent.pid).length;
      const most = before;
      await until(
        "nothing is left",
        () => descriptors(agent.pid).length <= most && mappedRegions(agent.pid) === 0,
        { state: () => `${most} descriptors before, now ${descriptors(agent.pid).length}` },
      );
    }
  }, 60_000);
});

describe.skipIf(!BUILT)("agent of three workers", () => {
  test("600 connections to three servers of three workers: none crossed, shortcuts within and across", async () => {
    const box = sandbox();
    const agent = await box.agent({ args: ["--workers", "3"] });
    const names = ["one", "two", "three"];
    for (const name of names) {
      const options = ["--name", name];
      const server = box.guest(program("named-server.cjs"), { options, args: ["8080", name] });
      await server.printed(/ready/);
    }
    expect(names.map((name) => workerOf(agent, name))).toEqual([0, 1, 2]);
    const client = box.guest(program("named-client.cjs"), {
      options: ["--name", "client"],
      args: ["8080", "600", "50", ...names],
    });
    await client.printed(/right/, 60_000);
    expect(client.records()).toEqual([{ right: 600, crossed: 0, failed: [] }]);
    const paths = await Promise.all(names.map((name) => pathsOf(box, name)));
    // One that waited longer than the limit would be relayed, and say so.
    const total = paths.reduce((sum, { shortcut = 0 }) => sum + shortcut, 0);
    expect(total, JSON.stringify(paths)).toBeGreaterThan(500);
  }, 90_000);
});

describe.skipIf(!BUILT)("a worker that breaks", () => {
  test("its guests attach again, shortcuts go on, the other worker's guests notice nothing", async () => {
    const box = sandbox();
    const agent = box.start(process.execPath, [program("breaking-agent.mjs"), box.socket]);
    await agent.printed(/listening on/);
    const hostPort = await freePort();
    const a = await guestPuppet(box, {
      options: ["--name", "a", "--publish", `${hostPort}:9000`],
    });
    const [b, c] = await named(box, "b", "c");
    expect(["a", "b", "c"].map((guest) => workerOf(agent, guest))).toEqual([0, 1, 0]);
    await a.listen("published", 9000);
    for (const server of [b!, c!]) await server.listen("server", 8080);
    for (const to of ["b", "c"]) {
      await a.connect(`to-${to}`, to, 8080);
      await says(a, `to-${to}`, "before");
    }
    const peer = await listenPeer((socket) => socket.pipe(socket));
    await b!.connect("relayed", "host.outsock", peer.port);
    const attached = () => logOf(agent).filter(({ msg }) => msg === "guest attached").length;
    agent.say("0");
    await until("a and c attach again", () => attached() === 5, { state: () => agent.stdout });
    expect(agent.stdout).toContain("broken by the test");
    expect(agent.stdout).toContain("a worker broke; another one is started");
    for (const to of ["b", "c"]) await says(a, `to-${to}`, "after");
    await says(b!, "relayed", "still");
    expect((await box.status())!.guests.map(({ name }) => name).sort()).toEqual(["a", "b", "c"]);
    const socket = await until("the published port answers", () =>
      connectPeer(hostPort).catch(() => undefined),
    );
    expect((await echoed(socket, Buffer.from("again"))).toString()).toBe("again");
    await b!.listen("server2", 8081);
    await a.connect("new", "b", 8081);
    await says(a, "new", "anew");
  }, 60_000);
});

const reason = whyNotRoot("unshare", "nsenter", "ip", "setpriv");
const why = reason === undefined ? "" : ` (skipped: ${reason})`;

describe.skipIf(!NODE_BUILT || reason !== undefined)(`node agent of two workers${why}`, () => {
  let runtime: string;
  beforeAll(() => {
    runtime = runtimeFolder();
  });
  afterAll(() => removeFolder(runtime));

  test("pods of two workers: shortcut between them, relay to who is no guest", async () => {
    const node = new TestNode(runtime);
    const agent = await node.agent(["--workers", "2"]);
    const pods = [await node.pod("web-a"), await node.pod("web-b")];
    const [a, b] = [await pods[0]!.puppet(), await pods[1]!.puppet()];
    expect(workerOf(agent, "shop/web-a")).not.toBe(workerOf(agent, "shop/web-b"));
    const outside = await (await node.pod("sidecar")).nativePuppet();
    await b.listen("server", 8080);
    await outside.listen("server", 8080);
    await a.connect("to-b", pods[1]!.address, 8080);
    await says(a, "to-b", "hello");
    await a.connect("out", "10.77.0.3", 8080);
    await says(a, "out", "hello");
    expect(await node.guests()).toMatchObject([
      { pod: "web-a", processes: 1, shortcut: { connections: 1 }, relay: { connections: 1 } },
      { pod: "web-b", processes: 1, shortcut: { connections: 1 } },
    ]);
  }, 60_000);

  test("--workers that is no number is refused with the usage", async () => {
    const node = new TestNode(runtime);
    await expect(node.agent(["--workers", "many"])).rejects.toThrow(
      "--workers must be a number from 1 to 64",
    );
  });
});
