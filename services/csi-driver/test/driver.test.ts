import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentClient } from "../src/agent-client.ts";
import { Driver } from "../src/driver.ts";
import { RuntimeStore } from "../src/runtime-store.ts";
import { CsiServer } from "../src/server.ts";
import { Identity, Node, Registration } from "../src/services.ts";
import { call, fakeAgent, NodeDirectories, POD } from "./client.ts";

const log = { info: () => {}, warn: () => {} };

function newServer(): CsiServer {
  const { endpoint, registration } = node;
  const said = { version: "1.2.3", nodeName: "worker-1", troubles: () => troubles };
  return new CsiServer({ driver, endpoint, registration, log, ...said });
}

let node: NodeDirectories;
let server: CsiServer;
let driver: Driver;
let troubles: string[];
beforeEach(async () => {
  node = new NodeDirectories();
  troubles = [];
  const runtimes = new RuntimeStore(join(node.outsock, "runtime"), node.runtime, "1.2.3");
  runtimes.install();
  driver = new Driver({
    agent: new AgentClient(join(node.outsock, "node.sock"), "worker-1"),
    runtimes,
    pods: join(node.outsock, "pods"),
    kubelet: node.kubelet,
    log,
  });
  server = newServer();
  await server.start();
});
afterEach(async () => {
  await server.stop();
  node.close();
});

const publish = (changes?: object, context?: Record<string, string>) =>
  call(Node, node.endpoint, "NodePublishVolume", node.publishRequest(changes, context));

describe("what the kubelet asks a driver first", () => {
  it("the registry's socket names the driver, its own socket and version 1", async () => {
    expect(await call(Registration, node.registration, "GetInfo")).toEqual({
      type: "CSIPlugin",
      name: "shm.outsock.dev",
      endpoint: node.endpoint,
      supported_versions: ["1.0.0"],
    });
    expect(await call(Identity, node.endpoint, "GetPluginInfo")).toEqual({
      name: "shm.outsock.dev",
      vendor_version: "1.2.3",
    });
    expect(await call(Node, node.endpoint, "NodeGetInfo")).toEqual({ node_id: "worker-1" });
    expect(await call(Node, node.endpoint, "NodeGetCapabilities")).toEqual({});
  });

  it("the kubelet's word about the registration is kept", async () => {
    const notify = (request: object) =>
      call(Registration, node.registration, "NotifyRegistrationStatus", request);
    await notify({ plugin_registered: true, error: "" });
    expect(server.registered).toBe(true);
    await notify({ plugin_registered: false, error: "no" });
    expect(server.registered).toBe(false);
  });

  it("Probe says whether it may mount", async () => {
    const probe = () => call(Identity, node.endpoint, "Probe");
    expect(await probe()).toEqual({ ready: { value: true } });
    troubles = ["no right"];
    expect(await probe()).toEqual({ ready: { value: false } });
  });

  it("sockets that a killed driver left do not hinder the next one", async () => {
    await server.stop();
    mkdirSync(dirname(node.endpoint), { recursive: true });
    for (const path of [node.endpoint, node.registration]) writeFileSync(path, "");
    server = newServer();
    await server.start();
    expect(statSync(node.endpoint).isSocket()).toBe(true);
    expect(await call(Node, node.endpoint, "NodeGetInfo")).toEqual({ node_id: "worker-1" });
  });
});

describe("NodePublishVolume", () => {
  it("no agent: UNAVAILABLE, with a sentence for `kubectl describe pod`; nothing is mounted", async () => {
    await expect(publish()).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringMatching(
        /^the Outsock host agent on node worker-1 does not answer: .*ENOENT.*; the pod waits for it/,
      ),
    });
    expect(existsSync(node.target)).toBe(false);
  });

  it("an agent that hangs up, or refuses: a status and its sentence", async () => {
    let answer = "";
    const agent = await fakeAgent(join(node.outsock, "node.sock"), () => answer);
    await expect(publish()).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringContaining("it hung up"),
    });
    answer = '{"ok":false,"code":"EINVAL","error":"the pod\'s name is malformed"}\n';
    await expect(publish()).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: "the Outsock host agent on node worker-1 refuses: the pod's name is malformed",
    });
    expect(agent.asked[0]).toEqual({ request: "pod", ...POD, volumeId: "csi-1" });
    agent.server.close();
  });

  it.each([
    ["a persistent volume", {}, { "csi.storage.k8s.io/ephemeral": "false" }, "persistent"],
    ["a block device", { volume_capability: { block: {} } }, {}, "file system"],
    ["no volume_id", { volume_id: "" }, {}, "missing"],
    ["no pod named", {}, { "csi.storage.k8s.io/pod.uid": "" }, "podInfoOnMount"],
    ["another pod's path", {}, { "csi.storage.k8s.io/pod.uid": "other" }, "another pod's"],
    ["a path outside of pods", { target_path: "/etc/passwd" }, {}, "no target path"],
  ])("%s: INVALID_ARGUMENT", async (_name, changes, context, sentence) => {
    await expect(publish(changes, context as Record<string, string>)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining(sentence),
    });
  });

  it("a path that climbs out of the pod: INVALID_ARGUMENT", async () => {
    const target_path = `${node.kubelet}/pods/${POD.uid}/volumes/kubernetes.io~csi/../../mount`;
    await expect(publish({ target_path })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});

describe("pods that went unseen", () => {
  it("sweep: the agent forgets those whose directory the kubelet has removed", async () => {
    const pods = [POD, { ...POD, uid: "gone" }].map((pod) => ({ ...pod, volumeId: "v" }));
    const agent = await fakeAgent(join(node.outsock, "node.sock"), ({ request }) =>
      request === "pods" ? `${JSON.stringify({ ok: true, pods })}\n` : '{"ok":true}\n',
    );
    await driver.sweep();
    expect(agent.asked).toEqual([{ request: "pods" }, { request: "pod-gone", uid: "gone" }]);
    agent.server.close();
  });
});

describe("runtimes", () => {
  const store = (version: string) =>
    new RuntimeStore(join(node.outsock, "runtime"), node.runtime, version);

  it("installed twice: one copy; changed under the same version: a second one", () => {
    const first = store("2.0.0");
    expect(first.install()).toBe(first.install());
    expect(readFileSync(join(first.current, "runtime.cjs"), "utf8")).toBe("// the runtime\n");
    writeFileSync(join(node.runtime, "runtime.cjs"), "// another\n");
    const second = store("2.0.0");
    expect(second.install()).not.toBe(first.current);
    expect(readFileSync(join(second.current, "runtime.cjs"), "utf8")).toBe("// another\n");
  });

  it("sweep: the own one and those in use stay, others and half copies go", () => {
    const [own, used, old] = ["3.0.0", "2.0.0", "1.0.0"].map(store);
    for (const one of [own, used, old]) one!.install();
    mkdirSync(join(node.outsock, "runtime/.new-1"));
    own!.sweep([used!.current, join(node.outsock, "missing")]);
    const left = readdirSync(join(node.outsock, "runtime")).map((name) => name.split("-")[0]);
    expect(left.sort()).toEqual(["2.0.0", "3.0.0"]);
  });

  it("leave: the own one goes too, and the directory with the last", () => {
    const [own, used] = ["3.0.0", "2.0.0"].map(store);
    for (const one of [own, used]) one!.install();
    own!.leave([used!.current]);
    expect(readdirSync(join(node.outsock, "runtime"))).toEqual([used!.current.split("/").at(-1)]);
    own!.leave([]);
    expect(existsSync(join(node.outsock, "runtime"))).toBe(false);
  });

  it("no runtime came with the driver: one sentence", () => {
    const empty = new RuntimeStore(join(node.outsock, "runtime"), "/nowhere", "1.0.0");
    expect(() => empty.install()).toThrow("there is no guest runtime in /nowhere");
  });
});
