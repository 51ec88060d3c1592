/** Each program prints the same in every mode as it does with plain `node`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { belongs, findPrograms, MODES, type Outcome, runProgram, whyNot } from "./run-program.mjs";

const CLI = new URL("../../services/cli/bin/outsock.js", import.meta.url).pathname;
const BUILT = existsSync(new URL("../../services/cli/dist/main.js", import.meta.url));
const PARALLEL = 2;

const node = process.env.CONFORMANCE_NODE ?? process.execPath;
const nodeMajor = Number(process.versions.node.split(".")[0]);
const [reference, ...compared] = MODES;
const directory = mkdtempSync(join(tmpdir(), "outsock-conformance-"));
const env = { ...process.env, OUTSOCK_RUNTIME_DIR: directory, NODE_OPTIONS: undefined };
let agent: ChildProcess;

/** Lets so many callers through at a time. */
function turnstile(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return async (work) => {
    if (inside >= width) await new Promise<void>((resolve) => waiting.push(resolve));
    else inside++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) inside--;
      else next();
    }
  };
}
const pass = turnstile(PARALLEL);

const references = new Map<string, Promise<Outcome>>();

beforeAll(async () => {
  agent = spawn(process.execPath, [CLI, "agent"], { env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      printed += chunk.toString();
      if (/listening on/.test(printed)) resolve();
    };
    agent.stdout?.on("data", read);
    agent.stderr?.on("data", read);
    agent.once("exit", (code) => reject(new Error(`the agent ended (${code}): ${printed}`)));
  });
}, 20_000);

afterAll(async () => {
  if (agent.exitCode === null && agent.signalCode === null) {
    agent.kill("SIGTERM");
    await once(agent, "exit");
  }
  rmSync(directory, { recursive: true, force: true });
});

describe.skipIf(!BUILT)("programs print the same as natively", () => {
  for (const mode of compared) {
    describe(mode.name, () => {
      for (const program of findPrograms().filter((one) => belongs(one, mode))) {
        const reason = whyNot(program, mode, nodeMajor);
        test.concurrent.skipIf(reason !== undefined)(
          reason === undefined ? program.name : `${program.name} (${reason})`,
          // Most of the time goes by in the queue; a program that hangs is killed by its runner.
          { timeout: 0 },
          () =>
            pass(async () => {
              const known =
                references.get(program.name) ?? runProgram(program, reference!, { node, env });
              references.set(program.name, known);
              const expected = await known;
              expect(await runProgram(program, mode, { node, env })).toEqual(expected);
            }),
        );
      }
    });
  }
});
