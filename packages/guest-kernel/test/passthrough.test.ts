import * as dgram from "node:dgram";
import * as net from "node:net";
import { protocolFamilyCompliance } from "@outsock/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeKernel, mountPassthrough, Syscalls } from "../src/index.ts";

const api = { describe, test, expect, beforeAll, afterAll, afterEach };

protocolFamilyCompliance(api, "passthrough", () => {
  const kernel = makeKernel("guest", { defer: setImmediate, betweenThreads: () => {} });
  mountPassthrough(kernel, { net, dgram });
  return { kernel, sys: new Syscalls(kernel, kernel.spawn(2, "test")), close: () => {} };
});
