import { fork } from "node:child_process";
import * as dgram from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "@outsock/abi";
import { protocolFamilyCompliance } from "@outsock/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeKernel, mountOutsourced, Syscalls } from "../src/index.ts";

const api = { describe, test, expect, beforeAll, afterAll, afterEach };
const AGENT = fileURLToPath(new URL("./agent-process.mjs", import.meta.url));

for (const workers of [1, 2]) {
  const name = workers === 1 ? "outsourced" : `outsourced, agent of ${workers} workers`;
  protocolFamilyCompliance(api, name, async () => {
    const directory = mkdtempSync(join(tmpdir(), "outsock-compliance-"));
    const path = join(directory, "agent.sock");
    const agent = fork(AGENT, [path, String(workers)], { execArgv: [] });
    await once(agent, "message");
    const kernel = makeKernel("guest", { defer: setImmediate, betweenThreads: () => {} });
    const link = mountOutsourced(kernel, { net, dgram }, setImmediate, path, {
      request: "attach",
      protocol: { min: PROTOCOL_MIN, max: PROTOCOL_MAX },
      pid: process.pid,
      program: "compliance",
      publish: [],
    });
    const { process: pid } = link.attachment.reply;
    return {
      kernel,
      sys: new Syscalls(kernel, kernel.spawn(pid, "test")),
      async close() {
        agent.disconnect();
        await once(agent, "exit");
        rmSync(directory, { recursive: true });
      },
    };
  });
}
