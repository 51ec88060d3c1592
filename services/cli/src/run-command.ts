/** `outsock run`: becomes the program, in a guest. */
import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { GUEST_NAME } from "@outsock/host-agent";
import { denyInetSockets, execve, SysError } from "@outsock/hostsys";
import { Command } from "commander";
import { requireLinux } from "./agent-command.ts";
import { EXIT, Failure } from "./failure.ts";
import { parsePublish } from "./publish-option.ts";
import { agentPaths } from "./runtime-directory.ts";
import { ensureAgent } from "./start-agent.ts";

/** Ways to run a program. `virtio` joins here. */
const RUN_MODES = ["outsourced", "native"] as const;
type RunMode = (typeof RUN_MODES)[number];

interface Options {
  mode: string;
  name?: string;
  publish: string[];
  strace?: boolean;
  keepHostNetwork?: boolean;
  shortcut: boolean;
}

const require = createRequire(import.meta.url);

/** The file that `node program` would run. @throws Failure */
function programPath(program: string): string {
  const path = resolve(program);
  try {
    return require.resolve(path);
  } catch {
    let isDirectory = false;
    try {
      isDirectory = statSync(path).isDirectory();
    } catch {
      throw new Failure(`program not found: ${program}`, EXIT.NOT_FOUND);
    }
    const what = isDirectory ? "is a directory without a program" : "cannot be run";
    throw new Failure(`${program} ${what}`, EXIT.NOT_RUNNABLE);
  }
}

/** A word of NODE_OPTIONS (node(1)): quoted, because paths may have spaces. */
function quoted(path: string): string {
  return `"${path.replace(/(["\\])/g, "\\$1")}"`;
}

function become(program: string, args: string[], env: Record<string, string>): never {
  try {
    return execve(process.execPath, ["node", program, ...args], env);
  } catch (error) {
    if (error instanceof SysError) {
      throw new Failure(`cannot run ${program}: ${error.message}`, EXIT.NOT_RUNNABLE);
    }
    throw error;
  }
}

/**
 * Denies the host's network to what this process becomes. Here, not only when the guest boots: a
 * Node that starts with an io_uring (22 and later) could make sockets through it.
 */
function takeNetworkAway(): void {
  try {
    denyInetSockets();
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new Failure(
      `the host's network cannot be taken from the guest: ${error.message}; a kernel with ` +
        "seccomp filters is needed, or --keep-host-network to run without that protection",
      EXIT.CANNOT_START,
    );
  }
}

function environment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(process.env)) if (value !== undefined) env[key] = value;
  return env;
}

async function run(program: string, args: string[], options: Options): Promise<void> {
  if (!RUN_MODES.includes(options.mode as RunMode)) {
    throw new Failure(
      `--mode must be ${RUN_MODES.join(" or ")}, not "${options.mode}"`,
      EXIT.USAGE,
    );
  }
  if (options.name !== undefined && !GUEST_NAME.test(options.name)) {
    throw new Failure(
      `--name must be 1 to 63 lower-case letters, digits and hyphens, not "${options.name}"`,
      EXIT.USAGE,
    );
  }
  const publish = options.publish.map(parsePublish);
  requireLinux();
  programPath(program);
  const env = environment();
  if (options.mode === "native") become(program, args, env);
  const paths = agentPaths(EXIT.CANNOT_START);
  await ensureAgent(paths);
  const runtime = require.resolve("@outsock/guest-kernel/runtime");
  env.NODE_OPTIONS = `${env.NODE_OPTIONS ?? ""} --require ${quoted(runtime)}`.trim();
  env.OUTSOCK_GUEST = JSON.stringify({
    agent: paths.socket,
    ...(options.name === undefined ? {} : { name: options.name }),
    publish,
    ...(options.strace ? { strace: true } : {}),
    ...(options.keepHostNetwork ? { keepHostNetwork: true } : {}),
    ...(options.shortcut ? {} : { shortcut: false }),
  });
  if (!options.keepHostNetwork) takeNetworkAway();
  become(program, args, env);
}

export function runCommand(): Command {
  return new Command("run")
    .description("run a Node.js program in a guest; ends with the program's exit code")
    .argument("<program>", "the program, as for node")
    .argument("[args...]", "its arguments")
    .option("--mode <mode>", RUN_MODES.join(" or "), "outsourced")
    .option("--name <name>", "name of the guest, by which other guests reach it")
    .option(
      "--publish <[address:]host:guest>",
      "lead a port of the host to a port of the guest (repeatable; address 127.0.0.1 by default)",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option("--strace", "print the program's system calls on standard error")
    .option("--no-shortcut", "keep connections to other guests on the relay through the agent")
    .option("--keep-host-network", "do not deny the host's network to the guest by seccomp")
    .passThroughOptions()
    .action(run);
}
