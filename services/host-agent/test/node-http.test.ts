import { expect, test } from "vitest";
import { nodeHttp } from "../src/node-http.ts";
import type { ContainerStatus } from "../src/node-status.ts";

const GUEST: ContainerStatus = {
  namespace: "shop",
  pod: "web-0",
  uid: "u",
  container: "web",
  mode: "outsourced",
  address: "10.0.0.1",
  processes: 2,
  connections: 3,
  shortcut: { connections: 5, bytes: 700 },
  relay: { connections: 2, bytes: 90 },
  reasons: { "relay: remote peer": 2 },
};

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("outsock_"));
}

test("a guest runs, metrics tell its processes, connections by their way, and bytes", async () => {
  const guests = [GUEST];
  const app = nodeHttp({
    version: "1.2.3",
    troubles: () => [],
    guests: () => Promise.resolve(guests),
    untouched: () => [
      { namespace: "shop", pod: "old", uid: "o", container: "c", reason: "it is old" },
    ],
  });
  const of = 'namespace="shop",pod="web-0",container="web"';
  const answer = await app.inject("/metrics");
  expect(answer.headers["content-type"]).toContain("text/plain");
  expect(lines(answer.body)).toEqual([
    'outsock_agent_info{version="1.2.3"} 1',
    "outsock_agent_ready 1",
    "outsock_agent_untouched_containers 1",
    `outsock_guest_processes{${of}} 2`,
    `outsock_guest_open_connections{${of}} 3`,
    `outsock_guest_connections{${of},path="shortcut"} 5`,
    `outsock_guest_connections{${of},path="relay: remote peer"} 2`,
    `outsock_guest_bytes{${of},path="shortcut"} 700`,
    `outsock_guest_bytes{${of},path="relay"} 90`,
  ]);
  expect(answer.body).toMatch(/process_cpu_seconds_total \d/);

  // Gone from one question to the next.
  guests.length = 0;
  expect(lines((await app.inject("/metrics")).body).join()).not.toContain("web-0");
});

test("the agent has a trouble, readiness and metrics say so, and liveness does not", async () => {
  const app = nodeHttp({
    version: "1.2.3",
    troubles: () => ["without CAP_SYS_PTRACE it cannot look at the processes of pods"],
    guests: () => Promise.resolve([]),
    untouched: () => [],
  });
  expect((await app.inject("/readyz")).statusCode).toBe(503);
  expect((await app.inject("/healthz")).statusCode).toBe(200);
  expect(lines((await app.inject("/metrics")).body)).toContain("outsock_agent_ready 0");
});
