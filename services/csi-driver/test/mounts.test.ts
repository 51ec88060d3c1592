/** The built driver with a real agent, in a mount namespace of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { status } from "@grpc/grpc-js";
import { parseMountInfo } from "@outsock/hostsys";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Identity, Node } from "../src/services.ts";
import { call, NodeDirectories, POD } from "./client.ts";

const services = fileURLToPath(new URL("../../", import.meta.url));
const bin = (path: string): string => join(services, path);
const built = existsSync(bin("csi-driver/dist/main.js"));
const root =
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["-m", "true"], { stdio: "ignore" }).status === 0;

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}`);
    await delay(10);
  }
}

const DRIVER = `mount --bind "$1" "$1" && mount --make-shared "$1" && shift && exec "$@"`;

describe.skipIf(!root || !built)("volumes [root, unshare, built]", () => {
  let node: NodeDirectories;
  const processes: ChildProcess[] = [];
  const printed = new Map<ChildProcess, string>();

  function run(command: string, words: string[]): ChildProcess {
    const child = spawn(command, words, { stdio: ["ignore", "pipe", "inherit"] });
    processes.push(child);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed.set(child, (printed.get(child) ?? "") + text);
    });
    return child;
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async function startAgent(): Promise<ChildProcess> {
    const child = run(process.execPath, [
      bin("host-agent/bin/outsock-agent.js"),
      ...["--node", "--directory", node.outsock, "--listen", "127.0.0.1:0", "--log-level", "error"],
    ]);
    await until("the agent listens", () => /HTTP on port/.test(printed.get(child) ?? ""));
    return child;
  }

  async function startDriver(): Promise<ChildProcess> {
    const child = run("unshare", [
      ...["-m", "--propagation", "private", "sh", "-ec", DRIVER, "sh", node.kubelet],
      ...[process.execPath, bin("csi-driver/bin/outsock-csi.js"), "--directory", node.outsock],
      ...["--kubelet", node.kubelet, "--runtime", node.runtime, "--node-name", "worker-1"],
      ...["--log-level", "error"],
    ]);
    await until("the driver listens", () => /csi\.sock/.test(printed.get(child) ?? ""));
    return child;
  }

  beforeEach(() => {
    node = new NodeDirectories();
  });
  afterEach(async () => {
    for (const child of processes.splice(0)) await end(child, "SIGKILL");
    node.close();
  });

  const publish = () => call(Node, node.endpoint, "NodePublishVolume", node.publishRequest());
  const unpublish = () =>
    call(Node, node.endpoint, "NodeUnpublishVolume", {
      volume_id: "csi-1",
      target_path: node.target,
    });
  const mounts = (driver: ChildProcess): string[] =>
    parseMountInfo(readFileSync(`/proc/${driver.pid}/mountinfo`, "utf8"))
      .map(({ path }) => path)
      .filter((path) => path.startsWith(node.target))
      .map((path) => path.slice(node.target.length));
  /** A path as the driver's mount namespace has it. */
  const seen = (driver: ChildProcess, path: string): string =>
    join(`/proc/${driver.pid}/root`, node.target, path);

  it("published twice, unpublished twice: one volume while it lasts, nothing afterwards", async () => {
    await startAgent();
    const driver = await startDriver();
    expect(await call(Identity, node.endpoint, "Probe")).toEqual({ ready: { value: true } });
    await publish();
    await publish();
    expect(mounts(driver)).toEqual(["", "/agent", "/runtime"]);
    expect(readdirSync(seen(driver, "agent")).sort()).toEqual(["agent.sock", "pod.json"]);
    expect(readFileSync(seen(driver, "runtime/runtime.cjs"), "utf8")).toBe("// the runtime\n");
    for (const path of ["x", "agent/x", "runtime/x"]) {
      const words = ["-t", String(driver.pid), "-m", "touch", join(node.target, path)];
      expect(spawnSync("nsenter", words, { encoding: "utf8" }).stderr).toContain("Read-only");
    }
    await unpublish();
    await unpublish();
    expect(mounts(driver)).toEqual([]);
    expect(existsSync(node.target)).toBe(false);
    expect(readdirSync(join(node.outsock, "pods"))).toEqual([]);
  });

  it("the agent is away: UNAVAILABLE, and published when it is back", async () => {
    const driver = await startDriver();
    await expect(publish()).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(mounts(driver)).toEqual([]);
    const agent = await startAgent();
    await publish();
    expect(mounts(driver)).toEqual(["", "/agent", "/runtime"]);
    await end(agent, "SIGKILL");
    // The pod ends all the same.
    await unpublish();
    expect(mounts(driver)).toEqual([]);
  });

  it("agent killed and started again: the volume stays, its socket answers", async () => {
    const agent = await startAgent();
    const driver = await startDriver();
    await publish();
    await end(agent, "SIGKILL");
    await startAgent();
    expect(existsSync(seen(driver, "agent/agent.sock"))).toBe(true);
    expect(JSON.parse(readFileSync(seen(driver, "agent/pod.json"), "utf8"))).toEqual({
      ...POD,
      volumeId: "csi-1",
    });
    await publish();
    expect(mounts(driver)).toEqual(["", "/agent", "/runtime"]);
  });
});
