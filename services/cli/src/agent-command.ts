/** `outsock agent`: runs the host agent in the foreground. */
import { openSync, rmSync, writeSync } from "node:fs";
import { Agent, parseWorkers } from "@outsock/host-agent";
import { flockExclusive, isSupported } from "@outsock/hostsys";
import { Command } from "commander";
import { pino } from "pino";
import { EXIT, Failure } from "./failure.ts";
import { agentPaths } from "./runtime-directory.ts";
import { VERSION } from "./version.ts";

/** How long an agent that was started for a guest stays without guests, milliseconds. */
const LINGER = 3000;
const LEVELS = ["silent", "error", "warn", "info"];

interface Options {
  exitWhenIdle?: boolean;
  logLevel: string;
  workers: string;
}

export function requireLinux(): void {
  if (isSupported()) return;
  throw new Failure(
    `guests need Linux on x64 or arm64; this is ${process.platform} on ${process.arch}`,
    EXIT.CANNOT_START,
  );
}

function workersOf(text: string): number {
  try {
    return parseWorkers(text);
  } catch (error) {
    throw new Failure((error as Error).message, EXIT.USAGE);
  }
}

async function runAgent(options: Options): Promise<void> {
  requireLinux();
  if (!LEVELS.includes(options.logLevel)) {
    throw new Failure(
      `--log-level must be one of ${LEVELS.join(", ")}, not "${options.logLevel}"`,
      EXIT.USAGE,
    );
  }
  const workers = workersOf(options.workers);
  const paths = agentPaths();
  const lock = openSync(paths.lock, "w", 0o600);
  if (!flockExclusive(lock)) {
    throw new Failure(`an agent runs already on ${paths.socket}; \`outsock ps\` lists its guests`);
  }
  const log = pino({ level: options.logLevel }, pino.destination({ dest: 2, sync: true }));
  let idle: NodeJS.Timeout | undefined;
  const stop = async (): Promise<void> => {
    clearTimeout(idle);
    await agent.close();
    rmSync(paths.socket, { force: true });
    process.exit(0);
  };
  const agent = new Agent({
    log,
    version: VERSION,
    workers,
    onBusy: () => clearTimeout(idle),
    onIdle: () => {
      clearTimeout(idle);
      if (options.exitWhenIdle) idle = setTimeout(() => void stop(), LINGER);
    },
  });
  // Whoever holds the lock may take away a socket that a killed agent left.
  rmSync(paths.socket, { force: true });
  await agent.listen(paths.socket);
  process.on("SIGTERM", () => void stop());
  process.on("SIGINT", () => void stop());
  if (options.exitWhenIdle) idle = setTimeout(() => void stop(), LINGER);
  writeSync(1, `outsock agent listening on ${paths.socket} (pid ${process.pid})\n`);
}

export function agentCommand(): Command {
  return new Command("agent")
    .description("run the host agent in the foreground (`run` starts one by itself)")
    .option("--exit-when-idle", "end when the last guest has gone")
    .option("--workers <n>", "event loops, each with guests of its own, 1 to 64", "1")
    .option("--log-level <level>", LEVELS.join(", "), "info")
    .action(runAgent);
}
