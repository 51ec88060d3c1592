/** Pods as guests, on a node that the test makes of namespaces (needs root). */
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NODE_BUILT, NODES, removeFolder, runtimeFolder, TestNode } from "./node.ts";
import { descriptors } from "./proc.ts";
import { program, whyNotRoot } from "./sandbox.ts";
import { until } from "./wait.ts";

const KOFFI = createRequire(import.meta.url).resolve("koffi");
const EACCES = 13;
const reason = whyNotRoot("unshare", "nsenter", "ip", "setpriv");
const why = reason === undefined ? "" : ` (skipped: ${reason})`;

const SERVE = `require("node:http").createServer((request, response) => {
  response.end(require("node:os").hostname() + " " + request.socket.remoteAddress);
}).listen(8080, () => console.log("listening"));`;

describe.skipIf(!NODE_BUILT || reason !== undefined)(`pods as guests${why}`, () => {
  let runtime: string;
  beforeAll(() => {
    runtime = runtimeFolder();
  });
  afterAll(() => removeFolder(runtime));

  test("the agent of a node: alive, ready, no guests; the lock keeps a second one away", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    expect(await (await node.get("/healthz")).json()).toMatchObject({ ok: true });
    expect(await (await node.get("/readyz")).json()).toEqual({ ok: true, troubles: [] });
    expect(await node.guests()).toEqual([]);
    await expect(node.agent()).rejects.toThrow("another agent runs in");
  });

  test("two pods: HTTP by pod IP, each sees the other's own address; listed by pod and container", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    const [a, b] = [await node.pod("web-a"), await node.pod("web-b")];
    await a.guest(["-e", SERVE], { container: "server" }).printed(/listening/);
    const get = `fetch("http://${a.address}:8080/").then((r) => r.text()).then(console.log)`;
    const asked = await b.guest(["-e", get]).ended;
    expect(asked).toMatchObject({ code: 0, stderr: "" });
    expect(asked.stdout.trim()).toBe(`web-a ::ffff:${b.address}`);
    // As any client of the network: no guest, in another namespace of the node.
    const curl = await b.run("curl", ["-s", `http://${a.address}:8080/`]).ended;
    expect(curl.stdout).toBe(`web-a ::ffff:${b.address}`);
    expect(await node.guests()).toMatchObject([
      {
        namespace: "shop",
        pod: "web-a",
        uid: a.uid,
        container: "server",
        address: a.address,
        processes: 1,
      },
    ]);
  });

  test("UDP between pods, and names by the pod's hosts and resolv.conf, search list included", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    const dns = await node.pod("dns");
    const NAMES = JSON.stringify({
      "echo.shop.svc.cluster.local": "10.77.0.2",
      "web.example": "192.0.2.7",
    });
    const native = { prefix: dns.prefix, env: { NAMES } };
    await node.box.native(program("name-server.cjs"), native).printed(/ready/);
    const echo = await (await node.pod("echo")).puppet();
    const client = await node.pod("client", {
      nameserver: dns.address,
      hosts: "192.0.2.9 by-hosts\n",
    });
    const puppet = await client.puppet();
    echo.do({ do: "udp", id: "server", port: 5000 });
    await echo.seen("server", "listening");
    for (const [name, address] of [
      ["echo", "10.77.0.2"],
      ["web.example", "192.0.2.7"],
      ["by-hosts", "192.0.2.9"],
      ["client", client.address],
    ]) {
      puppet.do({ do: "lookup", id: `of ${name}`, name });
      expect(await puppet.seen(`of ${name}`, "address")).toMatchObject({ address });
    }
    puppet.do({ do: "lookup", id: "none", name: "no-such-name" });
    expect(await puppet.seen("none", "error")).toMatchObject({ code: "ENOTFOUND" });
    puppet.do({ do: "udp", id: "udp", port: 5000, address: "echo", send: "hello" });
    expect(await puppet.seen("udp", "message")).toMatchObject({ text: "hello" });
  });

  test("loopback is the pod's: its processes share it, other pods and the node do not", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    const [a, b] = [await node.pod("web-a"), await node.pod("web-b")];
    const server = await a.puppet();
    await server.listen("s", 7000, { host: "127.0.0.1" });
    const other = await a.puppet({ container: "other", user: 1000 });
    await other.connect("c", "127.0.0.1", 7000);
    const sidecar = await a.nativePuppet();
    await sidecar.connect("c", "127.0.0.1", 7000);
    expect(await other.connect("d", "localhost", 7000)).toMatchObject({ event: "connect" });
    for (const host of ["127.0.0.1", a.address]) {
      const stranger = await b.puppet();
      stranger.do({ do: "connect", id: "c", host, port: 7000 });
      expect(await stranger.seen("c", "error")).toMatchObject({ code: "ECONNREFUSED" });
    }
    const counts = (await node.guests()).map(({ pod, container, processes }) => [
      pod,
      container,
      processes,
    ]);
    expect(counts).toContainEqual(["web-a", "main", 1]);
    expect(counts).toContainEqual(["web-a", "other", 1]);
  });

  test("ports below 1024: for root of the pod, not for other users", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    const pod = await node.pod("web");
    const asRoot = await pod.puppet();
    expect(await asRoot.listen("s", 80)).toMatchObject({ port: 80 });
    const asUser = await pod.puppet({ user: 1000 });
    asUser.do({ do: "listen", id: "s", port: 81 });
    expect(await asUser.seen("s", "error")).toMatchObject({ code: "EACCES", port: 81 });
  });

  describe.each(NODES)("started by NODE_OPTIONS alone, with %s", (path) => {
    test("no socket of the host in main thread, worker, child, or past the filter", async () => {
      const node = new TestNode(runtime);
      await node.agent();
      const pod = await node.pod("web");
      const env = { KOFFI };
      const outcome = await pod.guest([program("sockets.cjs")], { env, node: path }).ended;
      expect(outcome).toMatchObject({ code: 0, stderr: "" });
      const denied = {
        "inet stream": EACCES,
        "inet datagram": EACCES,
        "inet raw": EACCES,
        "inet6 stream": EACCES,
        "inet6 datagram": EACCES,
        packet: EACCES,
        vsock: EACCES,
        unix: "a socket",
      };
      expect(JSON.parse(outcome.stdout)).toEqual({
        main: denied,
        worker: denied,
        child: denied,
        withoutOutsock: denied,
        pool: [false, false],
      });
      const puppet = await pod.puppet({ node: path });
      expect(descriptors(puppet.process.pid).filter((name) => name.includes("io_uring"))).toEqual(
        [],
      );
      expect(readlinkSync(`/proc/${puppet.process.pid}/exe`)).toContain("node");
    });

    test("program, worker thread, child and what a shell starts: all of them are the guest", async () => {
      const node = new TestNode(runtime);
      await node.agent();
      const [a, b] = [await node.pod("web-a"), await node.pod("web-b")];
      await a.guest(["-e", SERVE], { node: path }).printed(/listening/);
      const url = `http://${a.address}:8080/`;
      const outcome = await b.guest([program("processes.mjs"), url], { node: path }).ended;
      expect(outcome).toMatchObject({ code: 0, stderr: "" });
      const body = `web-a ::ffff:${b.address}`;
      expect(JSON.parse(outcome.stdout)).toEqual({
        main: body,
        worker: body,
        child: body,
        shell: body,
      });
    });

    test("words, pid, streams, exit code and environment are as started", async () => {
      const node = new TestNode(runtime);
      await node.agent();
      const pod = await node.pod("web");
      const script = `process.stdin.on("data", (text) => console.log(JSON.stringify({
        argv: process.argv.slice(1), execArgv: process.execArgv.slice(0, 1), text: String(text),
        pid: process.pid, own: process.env.OWN, cached: Object.keys(require.cache) })));
        process.stdin.on("end", () => process.exit(7));`;
      const words = ["--stack-trace-limit=7", "-e", script, "--", "a b", "--flag", ""];
      const guest = pod.guest(words, { node: path, env: { OWN: "x=y\\n" } });
      guest.say("typed");
      await guest.printed(/typed/);
      guest.child.stdin.end();
      const outcome = await guest.ended;
      expect(outcome).toMatchObject({ code: 7, stderr: "" });
      expect(JSON.parse(outcome.stdout)).toEqual({
        argv: ["a b", "--flag", ""],
        execArgv: ["--stack-trace-limit=7"],
        text: "typed\n",
        pid: guest.pid,
        own: "x=y\\n",
        cached: [],
      });
    });
  });

  test("the agent is killed: shortcuts, listeners and names go on with the next one", async () => {
    const node = new TestNode(runtime);
    const first = await node.agent();
    const [a, b] = [await node.pod("web-a"), await node.pod("web-b")];
    const server = await a.puppet();
    const client = await b.puppet();
    await server.listen("s", 8080);
    await client.connect("before", a.address, 8080);
    first.kill("SIGKILL");
    await first.ended;
    client.do({ do: "write", id: "before", text: "past the agent" });
    expect(await client.seen("before", "data")).toMatchObject({ text: "past the agent" });
    await node.agent();
    // Each attaches in its own time; until both have, connections fail.
    let tries = 0;
    const id = await until("the client reaches the listener again", async () => {
      const next = `after-${++tries}`;
      client.do({ do: "connect", id: next, host: a.address, port: 8080 });
      await until(`${next} is told`, () => client.events(next).length > 0);
      return client.events(next)[0]?.event === "connect" && next;
    });
    client.do({ do: "write", id, text: "still there" });
    expect(await client.seen(id, "data")).toMatchObject({ text: "still there" });
  });

  test("no agent yet: the process waits for it and starts; none at all: 125 and one sentence", async () => {
    const node = new TestNode(runtime);
    const first = await node.agent();
    const pod = await node.pod("web");
    first.kill("SIGKILL");
    await first.ended;
    const early = pod.guest(["-e", 'console.log("started")']);
    const hopeless = await pod.guest(["-e", "1"], { wait: 300 }).ended;
    expect(hopeless.code).toBe(125);
    expect(hopeless.stderr).toMatch(
      /^outsock: no Outsock host agent answers on \/.*agent\.sock for 0\.3 s: .*ECONNREFUSED.*\n$/,
    );
    expect(early.stdout).toBe("");
    await node.agent();
    expect(await early.ended).toMatchObject({ code: 0, stdout: "started\n", stderr: "" });
  });

  test("a Node that cannot be a guest's: runs untouched, says why, and so does the agent", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    const pod = await node.pod("web");
    const { NODE_OPTIONS } = pod.env();
    const env = { NODE_OPTIONS: `--require ${program("old-node.cjs")} ${NODE_OPTIONS}` };
    const outcome = await pod.guest(["-e", 'console.log("runs")'], { container: "old", env }).ended;
    expect(outcome).toEqual({
      code: 0,
      signal: null,
      stdout: "runs\n",
      stderr: "outsock: no guest, but an ordinary process: Node.js 18.20.4 is older than 20\n",
    });
    expect(await (await node.get("/untouched")).json()).toEqual([
      {
        namespace: "shop",
        pod: "web",
        uid: pod.uid,
        container: "old",
        reason: "Node.js 18.20.4 is older than 20",
      },
    ]);
    expect(await node.guests()).toEqual([]);
  });

  describe("who is not of the pod", () => {
    test("a process of another pod, or of the node, at a pod's socket: refused, nobody else notices", async () => {
      const node = new TestNode(runtime);
      const agent = await node.agent();
      const [a, b] = [await node.pod("web-a"), await node.pod("web-b")];
      const server = await a.puppet();
      await server.listen("s", 8080);
      const thief = await b.guest(["-e", "1"], { socketOf: a.uid }).ended;
      expect(thief).toMatchObject({
        code: 125,
        stderr: "outsock: the process is not in the network namespace of the pod\n",
      });
      const native = await node.box.start(process.execPath, ["-e", "1"], { env: a.env() }).ended;
      expect(native.code).toBe(125);
      expect(native.stderr).toMatch(/^outsock: the process uses the network of the node/);
      const client = await b.puppet();
      await client.connect("c", a.address, 8080);
      expect(agent.stderr).toContain("refused");
    });

    test("a pod asks for other guests, or gives orders: refused", async () => {
      const node = new TestNode(runtime);
      await node.agent();
      const pod = await node.pod("web");
      const ask = (socket: string, request: object, user: number) => {
        const script = `const s = require("node:net").connect(${JSON.stringify(socket)}, () => s.write('${JSON.stringify(request)}\\n'));
          s.on("data", (d) => process.stdout.write(d)).on("error", (e) => console.log(e.code));`;
        const as = ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"];
        const options = { prefix: [...pod.prefix, ...as] };
        return node.box.start(process.execPath, ["-e", script], options).ended;
      };
      for (const request of ["status", "dmesg"]) {
        const { stdout } = await ask(pod.socket, { request }, 1000);
        expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: "EACCES" });
      }
      const control = `${node.directory}/node.sock`;
      expect((await ask(control, { request: "pods" }, 1000)).stdout).toBe("EACCES\n");
    });

    test("uids that would leave the directory, and malformed orders: refused", async () => {
      const node = new TestNode(runtime);
      await node.agent();
      const pod = { name: "web", namespace: "shop", serviceAccount: "default", volumeId: "v" };
      for (const uid of ["../x", "", ".", 7, null]) {
        expect(await node.ask({ request: "pod", uid, ...pod })).toMatchObject({ code: "EINVAL" });
        expect(await node.ask({ request: "pod-gone", uid })).toMatchObject({ code: "EINVAL" });
      }
      expect(await node.ask({ request: "reboot" })).toMatchObject({ ok: false, code: "EINVAL" });
    });
  });

  test("the pod is gone: its socket and directory go; said again, it changes nothing", async () => {
    const node = new TestNode(runtime);
    await node.agent();
    const pod = await node.pod("web");
    await node.announce(pod);
    expect(existsSync(pod.socket)).toBe(true);
    expect(JSON.parse(readFileSync(pod.socket.replace("agent.sock", "pod.json"), "utf8"))).toEqual({
      uid: pod.uid,
      name: "web",
      namespace: "shop",
      serviceAccount: "default",
      volumeId: `csi-${pod.uid}`,
    });
    for (let i = 0; i < 2; i++) {
      expect(await node.ask({ request: "pod-gone", uid: pod.uid })).toEqual({ ok: true });
    }
    expect(existsSync(pod.socket.replace("/agent.sock", ""))).toBe(false);
  });
});
