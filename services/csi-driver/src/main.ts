/** `outsock-csi`: the volume driver of a node. */
import { readFileSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { VERSION } from "@outsock/abi";
import { parseMountInfo } from "@outsock/hostsys";
import { pino } from "pino";
import { AgentClient } from "./agent-client.ts";
import { DRIVER_NAME, Driver } from "./driver.ts";
import { RuntimeStore } from "./runtime-store.ts";
import { CsiServer } from "./server.ts";
import { Identity } from "./services.ts";

const SWEEP_EVERY = 5 * 60_000;
const PROBE_TIMEOUT = 3000;
const CAP_SYS_ADMIN = 21n;

const OPTIONS = {
  /** Shared with the agent. */
  directory: { type: "string", default: "/var/lib/outsock" },
  kubelet: { type: "string", default: "/var/lib/kubelet" },
  /** The guest runtime that comes with this driver. */
  runtime: { type: "string", default: fileURLToPath(new URL("../runtime", import.meta.url)) },
  "node-name": { type: "string", default: process.env.NODE_NAME ?? hostname() },
  "log-level": { type: "string", default: "info" },
  /** Asks a driver that runs whether it is ready: for a probe of the kubelet. */
  probe: { type: "boolean", default: false },
} as const;

/** What the driver may not do, and what does not work for that. */
function troublesIn(kubelet: string): string[] {
  const troubles: string[] = [];
  const status = readFileSync("/proc/self/status", "latin1");
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  if (((mask >> CAP_SYS_ADMIN) & 1n) === 0n) {
    troubles.push("without CAP_SYS_ADMIN it cannot mount volumes");
  }
  const holder = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"))
    .filter(({ path }) => kubelet === path || kubelet.startsWith(path === "/" ? path : `${path}/`))
    .at(-1);
  if (holder?.shared !== true) {
    troubles.push(
      `what it mounts below ${kubelet} stays unseen by pods: mount that with ` +
        "mountPropagation: Bidirectional",
    );
  }
  return troubles;
}

function probe(endpoint: string): Promise<boolean> {
  const client = new Identity(`unix:${endpoint}`, credentials.createInsecure());
  return new Promise((resolve) => {
    client.Probe?.(
      {},
      { deadline: Date.now() + PROBE_TIMEOUT },
      (_error: Error | null, reply?: { ready?: { value: boolean } }) => {
        client.close();
        resolve(reply?.ready?.value === true);
      },
    );
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  const { directory, kubelet, runtime, "node-name": nodeName } = values;
  const endpoint = join(kubelet, `plugins/${DRIVER_NAME}/csi.sock`);
  if (values.probe) {
    process.exitCode = (await probe(endpoint)) ? 0 : 1;
    return;
  }
  const log = pino({ level: values["log-level"] }, pino.destination({ dest: 2, sync: true }));
  const runtimes = new RuntimeStore(join(directory, "runtime"), runtime, VERSION);
  log.info(
    { version: VERSION, node: nodeName, runtime: runtimes.install() },
    "the runtime is there",
  );
  const troubles = troublesIn(kubelet);
  for (const trouble of troubles) log.warn({}, trouble);
  if (troubles.length === 0) log.info({ kubelet }, "may mount volumes into this node's pods");
  const driver = new Driver({
    agent: new AgentClient(join(directory, "node.sock"), nodeName),
    runtimes,
    pods: join(directory, "pods"),
    kubelet,
    log,
  });
  const server = new CsiServer({
    driver,
    version: VERSION,
    nodeName,
    endpoint,
    registration: join(kubelet, `plugins_registry/${DRIVER_NAME}-reg.sock`),
    troubles: () => troubles,
    log,
  });
  await server.start();
  const sweep = (): void => {
    driver.sweep().catch((error: Error) => log.warn({ reason: error.message }, "no sweep"));
  };
  sweep();
  setInterval(sweep, SWEEP_EVERY);
  const stop = (): void =>
    void server
      .stop()
      .then(() => driver.leave())
      .catch((error: Error) => log.warn({ reason: error.message }, "something stays on the node"))
      .finally(() => process.exit(0));
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  writeSync(1, `outsock-csi ${VERSION} on ${endpoint}\n`);
}

await main().catch((error: Error) => {
  writeSync(2, `outsock-csi: ${error.message}\n`);
  process.exit(1);
});
