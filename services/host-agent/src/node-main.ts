/** `outsock-agent --node`: the host agent of a Kubernetes node. */
import { writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { VERSION } from "@outsock/abi";
import { isSupported } from "@outsock/hostsys";
import { pino } from "pino";
import { NodeAgent } from "./node-agent.ts";
import { parseWorkers } from "./workers/count.ts";

const USAGE = `usage: outsock-agent --node [--directory /var/lib/outsock] [--listen :9110]
                     [--workers 1..64] [--log-level silent|error|warn|info]
`;
const LEVELS = ["silent", "error", "warn", "info"];

class WrongUsage extends Error {}

/** "[ADDRESS]:PORT"; no address = every one. */
function parseListen(text: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^(?:(.*):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === "" || Number(port) > 65535) throw new WrongUsage(`--listen ${text} names no port`);
  return { host: host.replace(/^\[|\]$/g, "") || "::", port: Number(port) };
}

function options(argv: string[]) {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        node: { type: "boolean", default: false },
        directory: { type: "string", default: "/var/lib/outsock" },
        listen: { type: "string", default: ":9110" },
        workers: { type: "string", default: "1" },
        "log-level": { type: "string", default: "info" },
      },
    });
    const { node, directory, listen, workers, "log-level": level } = values;
    if (!node) throw new WrongUsage("--node is the only kind of agent that this command runs");
    if (!LEVELS.includes(level)) {
      throw new WrongUsage(`--log-level must be one of ${LEVELS.join(", ")}`);
    }
    return { directory, http: parseListen(listen), workers: parseWorkers(workers), level };
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}

async function main(argv: string[]): Promise<void> {
  const say = (sentence: string): void => void writeSync(2, `outsock-agent: ${sentence}\n`);
  try {
    const { directory, http, workers, level } = options(argv.slice(2));
    if (!isSupported()) {
      throw new Error(`needs Linux on x64 or arm64, this is ${process.platform} ${process.arch}`);
    }
    const log = pino({ level }, pino.destination({ dest: 2, sync: true }));
    const agent = new NodeAgent({ directory, http, workers, version: VERSION, log });
    const stop = (): void => {
      // Guests attach again to the agent that comes next; nothing waits for them.
      void agent.stop().finally(() => process.exit(0));
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    const port = await agent.start();
    writeSync(1, `outsock-agent ${VERSION} in ${directory}, HTTP on port ${port}\n`);
  } catch (error) {
    say((error as Error).message);
    if (error instanceof WrongUsage) writeSync(2, USAGE);
    process.exit(error instanceof WrongUsage ? 2 : 1);
  }
}

await main(process.argv);
