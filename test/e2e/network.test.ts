/** The network of guests as users see it: names, ports, publishing, ps, dmesg, families. */
import { once } from "node:events";
import { createConnection, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectPeer, echoed, listenPeer } from "./peer.ts";
import { listeners } from "./proc.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, freePort, program, sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

async function said(puppet: Puppet, id: string, text: string): Promise<void> {
  puppet.do({ do: "write", id, text });
  await until(`"${text}" on ${id}`, () => puppet.events(id).some((event) => event.text === text));
}

/** What connecting to the port gives. */
async function refusal(port: number, host?: string): Promise<string | undefined> {
  return connectPeer(port, host).then(
    (socket) => {
      socket.destroy();
      return "connected";
    },
    (error: NodeJS.ErrnoException) => error.code,
  );
}

describe.skipIf(!BUILT)("guests and their names", () => {
  test("two guests listen at the same port: each is reached by its name, no port collides", async () => {
    const box = sandbox();
    await box.agent();
    const [a, b, client] = await Promise.all(
      ["alpha", "beta", "client"].map((name) => guestPuppet(box, { options: ["--name", name] })),
    );
    await a!.listen("server", 8080);
    await b!.listen("server", 8080);
    await client!.listen("server", 8080);
    for (const name of ["alpha", "beta", "ALPHA", "beta."]) {
      client!.do({ do: "lookup", id: name, name });
      const { address } = await client!.seen(name, "address");
      const guest = (await box.status())!.guests.find((one) =>
        name.toLowerCase().startsWith(one.name),
      );
      expect(address).toBe(guest?.address);
      await client!.connect(`to-${name}`, name, 8080);
      await said(client!, `to-${name}`, `hello ${name}`);
    }
    const connections = (puppet: Puppet) =>
      puppet.events("server").filter((event) => event.event === "connection").length;
    expect([connections(a!), connections(b!), connections(client!)]).toEqual([2, 2, 0]);
    // Its loopback is its own.
    await client!.connect("to-itself", "127.0.0.1", 8080);
    await until("it reached itself", () => connections(client!) === 1);
  }, 60_000);

  test("a guest binds its loopback: no other guest and nobody on the host reaches it", async () => {
    const box = sandbox();
    await box.agent();
    const a = await guestPuppet(box, { options: ["--name", "alpha"] });
    const b = await guestPuppet(box);
    await a.listen("server", 8080, { host: "127.0.0.1" });
    const { address } = (await box.status())!.guests.find((guest) => guest.name === "alpha")!;
    b.do({ do: "connect", id: "by-name", host: "alpha", port: 8080 });
    expect(await b.seen("by-name", "error")).toMatchObject({ code: "ECONNREFUSED" });
    b.do({ do: "connect", id: "own", host: "127.0.0.1", port: 8080 });
    expect(await b.seen("own", "error")).toMatchObject({ code: "ECONNREFUSED" });
    expect(await refusal(8080, address)).toBe("ECONNREFUSED");
    await a.connect("itself", "localhost", 8080);
  }, 60_000);

  test("host.outsock: a guest reaches a server on the host's loopback", async () => {
    const box = sandbox();
    await box.agent();
    const peer = await listenPeer((socket) => socket.pipe(socket));
    const guest = await guestPuppet(box);
    const connected = await guest.connect("client", "host.outsock", peer.port);
    expect(connected).toMatchObject({ remote: "127.77.0.1" });
    await said(guest, "client", "hello host");
    guest.do({ do: "connect", id: "own-loopback", host: "127.0.0.1", port: peer.port });
    expect(await guest.seen("own-loopback", "error")).toMatchObject({ code: "ECONNREFUSED" });
  }, 60_000);

  test("a name is taken: the second guest is refused with 125 and one sentence", async () => {
    const box = sandbox();
    await box.agent();
    const first = await guestPuppet(box, { options: ["--name", "web"] });
    const second = await box.guest(program("show.cjs"), { options: ["--name", "web"] }).ended;
    expect(second).toEqual({
      code: 125,
      signal: null,
      stdout: "",
      stderr: 'outsock: a guest named "web" runs already; choose another --name\n',
    });
    first.do({ do: "exit", code: 0 });
    await first.process.ended;
    await until("the name is free", async () => (await box.status())?.guests.length === 0);
    expect(
      (await box.guest(program("end.cjs"), { options: ["--name", "web"], args: ["0"] }).ended).code,
    ).toBe(0);
  }, 60_000);
});

describe.skipIf(!BUILT)("published ports", () => {
  test("ECONNREFUSED before the guest listens and after it closes, works between, free at its end", async () => {
    const box = sandbox();
    await box.agent();
    const port = await freePort();
    const guest = await guestPuppet(box, { options: ["--publish", `${port}:8080`] });
    expect(await refusal(port)).toBe("ECONNREFUSED");
    for (const id of ["first", "second"]) {
      await guest.listen(id, 8080);
      const socket = await connectPeer(port);
      expect((await echoed(socket, Buffer.from("hello"))).toString()).toBe("hello");
      socket.destroy();
      await guest.seen(`${id}.0`, "close");
      guest.do({ do: "close", id });
      await guest.seen(id, "close");
      await until("the port refuses", async () => (await refusal(port)) === "ECONNREFUSED");
    }
    // Between its listeners, too, the port is the guest's.
    await expect(take(port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    guest.do({ do: "exit", code: 0 });
    await guest.process.ended;
    await until("the port is free", () => take(port).catch(() => undefined));
  }, 60_000);

  test("somebody takes a published port while old connections hold it: the agent says so and goes on", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const port = await freePort();
    const guest = await guestPuppet(box, { options: ["--publish", `${port}:8080`] });
    await guest.listen("first", 8080);
    const socket = await connectPeer(port);
    await guest.seen("first", "connection");
    // The guest ends first: its side stays in TIME_WAIT.
    guest.do({ do: "close", id: "first.0" });
    await once(socket.resume(), "close");
    guest.do({ do: "close", id: "first" });
    await guest.seen("first", "close");
    const thief = createServer((other) => other.end("not the guest"));
    onTestFinished(() => void thief.close());
    await until("the port is taken", () => listening(thief, port).catch(() => undefined));
    await guest.listen("second", 8080);
    await agent.printed(/does not lead to port 8080 of the guest: .*EADDRINUSE/);
    await guest.connect("itself", "127.0.0.1", 8080);
    await once(thief.close(), "close");
    guest.do({ do: "close", id: "itself" });
    guest.do({ do: "close", id: "second" });
    await guest.seen("second", "close");
    await guest.listen("third", 8080);
    expect(await refusal(port)).toBe("connected");
  }, 60_000);

  test("nothing is published: whatever the guest binds, the agent listens on 127.77 and 127.78 alone", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const guest = await guestPuppet(box);
    await guest.listen("any", 8080);
    await guest.listen("any4", 8081, { host: "0.0.0.0" });
    guest.do({ do: "udp", id: "udp", port: 5000 });
    await guest.seen("udp", "listening");
    const found = listeners(agent.pid);
    expect(found.length).toBeGreaterThanOrEqual(6);
    for (const { address } of found) expect(address).toMatch(/^127\.7[789]\./);
    expect(listeners(guest.process.pid)).toEqual([]);
  }, 60_000);

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === "IPv4" && !one.internal)?.address;
  test("published at 0.0.0.0: that one port listens beyond loopback, and answers there", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const port = await freePort();
    const guest = await guestPuppet(box, { options: ["--publish", `0.0.0.0:${port}:8080`] });
    await guest.listen("server", 8080);
    await guest.listen("unpublished", 8081);
    const beyond = listeners(agent.pid).filter(({ address }) => !address.startsWith("127."));
    expect(beyond).toEqual([{ address: "0.0.0.0", port }]);
    const socket = await connectPeer(port, outside ?? "127.0.0.1");
    expect((await echoed(socket, Buffer.from("hello"))).toString()).toBe("hello");
  }, 60_000);

  test("a published port is in use: 125 and one sentence that names it", async () => {
    const box = sandbox();
    await box.agent();
    const { port } = await listenPeer(() => {});
    const options = ["--publish", `${port}:8080`];
    const outcome = await box.guest(program("show.cjs"), { options }).ended;
    expect(outcome).toMatchObject({ code: 125, stdout: "" });
    expect(outcome.stderr).toMatch(
      new RegExp(`^outsock: cannot publish 127\\.0\\.0\\.1:${port}: .*EADDRINUSE.*\\n$`),
    );
    expect((await box.status())?.guests).toEqual([]);
  }, 60_000);

  test("several ports of a guest, two host ports for one of them: each leads to its own", async () => {
    const box = sandbox();
    await box.agent();
    const ports = [await freePort(), await freePort(), await freePort()];
    const targets = [8080, 8080, 8081];
    const options = ports.flatMap((port, n) => ["--publish", `127.0.0.1:${port}:${targets[n]}`]);
    const guest = await guestPuppet(box, { options });
    await guest.listen("a", 8080);
    await guest.listen("b", 8081);
    for (const port of ports) {
      const socket = await connectPeer(port);
      await echoed(socket, Buffer.from("x"));
    }
    const count = (id: string) =>
      guest.events(id).filter((event) => event.event === "connection").length;
    expect([count("a"), count("b")]).toEqual([2, 1]);
  }, 60_000);
});

async function listening(server: Server, port: number): Promise<true> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return true;
}

/** Takes the port and gives it back. */
async function take(port: number): Promise<true> {
  const server = createServer();
  await listening(server, port);
  server.close();
  await once(server, "close");
  return true;
}

describe.skipIf(!BUILT)("ps and dmesg", () => {
  test("ps: name, address, pid, sockets, bytes, ports, program; --json the same as data", async () => {
    const box = sandbox();
    await box.agent();
    expect(await box.outsock(["ps", "--json"])).toMatchObject({ code: 0, stdout: "[]\n" });
    const port = await freePort();
    const guest = await guestPuppet(box, {
      options: ["--name", "web", "--publish", `${port}:8080`],
    });
    await guest.listen("server", 8080);
    const socket = createConnection(port, "127.0.0.1");
    await echoed(socket, Buffer.alloc(1000));
    const { stdout } = await box.outsock(["ps", "--json"]);
    const [record] = JSON.parse(stdout);
    expect(record).toMatchObject({
      name: "web",
      address: expect.stringMatching(/^127\.77\./),
      processes: [
        { pid: guest.process.pid, program: program("puppet.cjs"), sockets: 2, bytes: 2000 },
      ],
      published: [{ address: "127.0.0.1", hostPort: port, guestPort: 8080 }],
    });
    const table = (await box.outsock(["ps"])).stdout.trimEnd().split("\n");
    expect(table).toHaveLength(2);
    expect(table[0]).toMatch(/^NAME +ADDRESS +PID +SOCKETS +BYTES +SHORTCUT +PORTS +PROGRAM$/);
    expect(table[1]!.split(/ +/)).toEqual([
      "web",
      record.address,
      String(guest.process.pid),
      "2",
      "2000",
      "0%",
      `127.0.0.1:${port}->8080`,
      program("puppet.cjs"),
    ]);
    socket.destroy();
  }, 60_000);

  test("dmesg: the guest kernel's log; of no guest, and without an agent: 1 and one sentence", async () => {
    const box = sandbox();
    const nobody = 'outsock: no agent runs, so there is no guest "web"\n';
    expect(await box.outsock(["dmesg", "web"])).toMatchObject({ code: 1, stderr: nobody });
    await box.agent();
    const none = 'outsock: there is no guest "web"\n';
    expect(await box.outsock(["dmesg", "web"])).toMatchObject({ code: 1, stderr: none });
    await guestPuppet(box, { options: ["--name", "web"] });
    const { code, stdout } = await box.outsock(["dmesg", "web"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/outsock: attached to the host agent as "web" 127\.77\.\d+\.\d+/);
    expect(stdout).toMatch(/seccomp: AF_INET and AF_INET6 of the host are denied/);
  }, 60_000);
});

describe.skipIf(!BUILT)("worker threads and forked children", () => {
  test("they use the network as processes of the same guest, and leave it one by one", async () => {
    const box = sandbox();
    await box.agent();
    const guest = box.guest(program("family.cjs"), { options: ["--name", "family"] });
    await guest.printed(/ready/);
    expect(guest.records()).toEqual([
      { kind: "worker", heard: "from the main thread", answered: "from the worker" },
      { kind: "child", heard: "from the main thread", answered: "from the child" },
    ]);
    const status = await box.status();
    expect(status?.guests.map((one) => one.name)).toEqual(["family"]);
    const processes = status!.guests[0]!.processes;
    expect(processes.map((one) => one.process)).toEqual([1, 2, 3]);
    const path = program("family.cjs");
    expect(processes.map((one) => one.program).sort()).toEqual([
      path,
      path,
      `${path} (worker thread)`,
    ]);
    guest.say("end");
    expect(await guest.ended).toMatchObject({ code: 0, stderr: "" });
    await until("the guest is gone", async () => (await box.status())?.guests.length === 0);
  }, 60_000);
});
