/** Sees to it that an agent runs: one for each user, started when there is none. */
import { spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { StatusReply } from "@outsock/vrpc";
import { ask, NoAgent } from "./agent-client.ts";
import { EXIT, Failure } from "./failure.ts";
import type { AgentPaths } from "./runtime-directory.ts";

const START_TIMEOUT = 10_000;
const RETRY = 15;

const BIN = fileURLToPath(new URL("../bin/outsock.js", import.meta.url));

async function answers(paths: AgentPaths): Promise<boolean> {
  try {
    await ask<StatusReply>(paths.socket, { request: "status" }, EXIT.CANNOT_START);
    return true;
  } catch (error) {
    if (error instanceof NoAgent) return false;
    throw error;
  }
}

/** @throws Failure when the agent does not come up, with the last line that it said */
export async function ensureAgent(paths: AgentPaths): Promise<void> {
  if (await answers(paths)) return;
  const log = openSync(paths.log, "w", 0o600);
  const { NODE_OPTIONS: _options, OUTSOCK_GUEST: _guest, ...env } = process.env;
  const child = spawn(process.execPath, [BIN, "agent", "--exit-when-idle", "--log-level", "warn"], {
    detached: true,
    stdio: ["ignore", log, log],
    env,
    cwd: paths.directory,
  });
  child.unref();
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  const deadline = performance.now() + START_TIMEOUT;
  for (;;) {
    if (await answers(paths)) return;
    // An agent that ended because another one came first is no failure.
    if (ended && (await answers(paths))) return;
    if (ended || performance.now() > deadline) {
      const said = readFileSync(paths.log, "utf8").trim().split("\n").at(-1) ?? "";
      const reason = said === "" ? "it said nothing" : said.replace(/^outsock: /, "");
      throw new Failure(`the host agent did not start: ${reason}`, EXIT.CANNOT_START);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}
