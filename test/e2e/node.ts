/**
 * A Kubernetes node without Kubernetes: an agent in node mode, and pods that are namespaces joined
 * by a bridge, each with a host name, name servers and addresses of its own (needs root).
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { networkNamespace } from "./namespace.ts";
import { TestProcess } from "./process.ts";
import { Puppet } from "./puppet.ts";
import { program, type RunOptions, type Sandbox, sandbox } from "./sandbox.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const AGENT = join(ROOT, "services/host-agent/bin/outsock-agent.js");
export const NODE_BUILT =
  existsSync(join(ROOT, "services/host-agent/dist/node-main.js")) &&
  existsSync(join(ROOT, "packages/guest-kernel/dist/runtime.cjs"));

/** Nodes to run guests with: `OUTSOCK_TEST_NODES=/path/to/node:...`, this one otherwise. */
export const NODES = process.env.OUTSOCK_TEST_NODES?.split(":") ?? [process.execPath];

/** The guest runtime as the volume driver shows it, for all tests of a file. */
export function runtimeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "outsock-runtime-"));
  const script = join(ROOT, "scripts/runtime-folder.mjs");
  const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return folder;
}

export interface ContainerStatus {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  address: string;
  processes: number;
  connections: number;
}

export interface GuestOptions extends RunOptions {
  node?: string;
  container?: string;
  /** User and group that the process has. */
  user?: number;
  /** Milliseconds. */
  wait?: number;
  /** Uid of the pod whose socket is used instead of the pod's own. */
  socketOf?: string;
}

/** What the chart gives the agent's container; without a right over files, least of all. */
const RIGHTS = "-all,+sys_admin,+net_admin,+sys_ptrace,+net_bind_service";

const RESOLV_CONF_OPTIONS = "options ndots:5 timeout:1 attempts:1\n";

export class Pod {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  /** Words before a command that run it in the pod. */
  readonly prefix: string[];
  private readonly node: TestNode;

  constructor(node: TestNode, name: string, uid: string, address: string, holder: number) {
    this.node = node;
    this.name = name;
    this.uid = uid;
    this.address = address;
    this.prefix = ["nsenter", "-t", String(holder), "-n", "-m", "-u", "--"];
  }

  get socket(): string {
    return join(this.node.directory, "pods", this.uid, "agent.sock");
  }

  /** The variables that the webhook gives the pod's containers. */
  env(options: GuestOptions = {}): NodeJS.ProcessEnv {
    const { container = "main", wait, socketOf = this.uid } = options;
    return {
      NODE_OPTIONS: `--require ${this.node.runtime}/runtime.cjs`,
      OUTSOCK_GUEST: JSON.stringify({
        agent: this.socket.replace(this.uid, socketOf),
        pod: true,
        container,
        ...(wait === undefined ? {} : { wait }),
      }),
      ...options.env,
    };
  }

  /** Runs a command of the pod's image: what of it is Node is a guest. */
  run(command: string, args: readonly string[], options: GuestOptions = {}): TestProcess {
    const { user } = options;
    const as =
      user === undefined
        ? []
        : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"];
    const prefix = [...this.prefix, ...as];
    return this.node.box.start(command, args, { prefix, env: this.env(options) });
  }

  guest(args: readonly string[], options: GuestOptions = {}): TestProcess {
    return this.run(options.node ?? process.execPath, args, options);
  }

  async puppet(options: GuestOptions = {}): Promise<Puppet> {
    const puppet = new Puppet(this.guest([program("puppet.cjs")], options));
    await puppet.seen("", "ready", 30_000);
    return puppet;
  }

  /** A process of the pod that is no guest: a sidecar that is not Node. */
  async nativePuppet(): Promise<Puppet> {
    const puppet = new Puppet(this.node.box.native(program("puppet.cjs"), { prefix: this.prefix }));
    await puppet.seen("", "ready", 30_000);
    return puppet;
  }
}

export class TestNode {
  readonly box: Sandbox;
  readonly runtime: string;
  readonly directory: string;
  private bridge: string[] = [];
  private pods = 0;
  private httpPort = 0;

  constructor(runtime: string) {
    this.box = sandbox();
    this.runtime = runtime;
    chmodSync(this.box.directory, 0o755);
    this.directory = join(this.box.directory, "node");
    mkdirSync(this.directory);
  }

  /** Starts the agent and waits until it is ready. */
  async agent(options: readonly string[] = []): Promise<TestProcess> {
    const here = ["--directory", this.directory, "--listen", "127.0.0.1:0"];
    const words = ["--node", ...here, ...options];
    const prefix = ["setpriv", `--bounding-set=${RIGHTS}`, "--"];
    const agent = this.box.start(process.execPath, [AGENT, ...words], { prefix });
    const [, port] = await agent.printed(/HTTP on port (\d+)/);
    this.httpPort = Number(port);
    return agent;
  }

  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.httpPort}${path}`);
  }

  async guests(): Promise<ContainerStatus[]> {
    return (await (await this.get("/guests")).json()) as ContainerStatus[];
  }

  /** One request on the control socket. */
  ask(request: object): Promise<{ ok: boolean; error?: string; directory?: string }> {
    return new Promise((resolve, reject) => {
      let text = "";
      const socket = createConnection(join(this.directory, "node.sock"));
      socket.write(`${JSON.stringify(request)}\n`);
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(JSON.parse(text)));
    });
  }

  /** A pod on the node's bridge, that the agent listens for. Gone when the test is over. */
  async pod(name: string, { nameserver = "", hosts = "" } = {}): Promise<Pod> {
    if (this.bridge.length === 0) {
      this.bridge = (await networkNamespace()).prefix;
      this.must(this.bridge, "ip link add br0 type bridge && ip link set br0 up");
    }
    const n = ++this.pods;
    const address = `10.77.0.${n}`;
    const resolv = join(this.box.directory, `${name}.resolv.conf`);
    const search = "search shop.svc.cluster.local svc.cluster.local\n";
    const server = nameserver === "" ? "" : `nameserver ${nameserver}\n`;
    writeFileSync(resolv, search + server + RESOLV_CONF_OPTIONS);
    const hostsFile = join(this.box.directory, `${name}.hosts`);
    writeFileSync(hostsFile, `127.0.0.1 localhost\n::1 localhost\n${address} ${name}\n${hosts}`);
    const steps = [
      "ip link set lo up",
      `echo ${name} > /proc/sys/kernel/hostname`,
      `mount --bind ${resolv} /etc/resolv.conf`,
      `mount --bind ${hostsFile} /etc/hosts`,
      "echo ready",
      // Ends with its standard input, so with the test at the latest.
      "exec cat",
    ];
    const words = ["-n", "-m", "-u", "--propagation", "private", "sh", "-ec", steps.join("\n")];
    const holder = new TestProcess("unshare", words, { env: process.env });
    onTestFinished(() => holder.close());
    await holder.printed(/ready/);
    const uid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    const pod = new Pod(this, name, uid, address, holder.pid);
    this.must(
      this.bridge,
      `ip link add p${n} type veth peer name eth0 netns ${holder.pid} && ` +
        `ip link set p${n} master br0 up`,
    );
    this.must(pod.prefix, `ip addr add ${address}/24 dev eth0 && ip link set eth0 up`);
    await this.announce(pod);
    return pod;
  }

  /** What the volume driver does when the kubelet publishes the pod's volume. */
  async announce({ uid, name }: Pod): Promise<void> {
    const identity = { namespace: "shop", serviceAccount: "default", volumeId: `csi-${uid}` };
    const reply = await this.ask({ request: "pod", uid, name, ...identity });
    if (!reply.ok) throw new Error(reply.error);
  }

  private must(prefix: readonly string[], script: string): void {
    const [command, ...words] = [...prefix, "sh", "-ec", script];
    const { status, stderr } = spawnSync(command!, words, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
