import http from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import pino from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { Agents, parseGuests, parseUntouched } from "../src/agents/guests.ts";
import type { Pod } from "../src/pods/types.ts";
import { VirtualClock } from "./virtual-clock.ts";

const log = pino({ level: "silent" });
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const agent = (ready: boolean, change: Partial<Pod["metadata"]> = {}): Pod => ({
  metadata: { name: "agent", ...change },
  spec: { nodeName: "n1", containers: [] },
  status: {
    podIP: "127.0.0.1",
    conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
  },
});

async function agentAt(
  answer: (response: http.ServerResponse, path: string) => void,
  pods = [agent(true)],
  timeoutMs = 20_000,
) {
  let asked = 0;
  const server = http.createServer((request, response) => {
    asked++;
    answer(response, request.url ?? "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const clock = new VirtualClock();
  const agents = new Agents({ clock, log, port, pods: () => pods, timeoutMs });
  return { agents, clock, asked: () => asked };
}

describe("the agents' guests", () => {
  const GUEST = {
    namespace: "ns",
    pod: "p",
    uid: "u",
    container: "web",
    processes: 1,
    connections: 3,
    shortcut: { connections: 2, bytes: 20 },
    relay: { connections: 1, bytes: 10 },
    reasons: { "remote peer": 1 },
  };

  test("an agent answers, its guests come back; asked again at once, the answer is kept", async () => {
    const { agents, clock, asked } = await agentAt((response, path) =>
      response.end(JSON.stringify(path === "/guests" ? [GUEST] : [])),
    );
    expect(await agents.guestsOn("n1")).toEqual([GUEST]);
    await agents.guestsOn("n1");
    expect(asked()).toBe(1);
    clock.jump(5_000);
    await agents.guestsOn("n1");
    expect(asked()).toBe(2);
  });

  test("an agent is asked for containers that run natively, what does not fit is left out", async () => {
    const entry = { namespace: "ns", pod: "p", uid: "u", container: "web", reason: "old" };
    const { agents } = await agentAt((response, path) =>
      response.end(JSON.stringify(path === "/untouched" ? [entry, { uid: "u" }, null, 7] : [])),
    );
    expect(await agents.untouchedOn("n1")).toEqual([entry]);
    expect(() => parseUntouched({})).toThrow("no list of containers");
  });

  test("an agent hangs, the question ends by itself", async () => {
    const { agents } = await agentAt(() => {}, undefined, 50);
    await expect(agents.guestsOn("n1")).rejects.toThrow(/timeout|aborted/i);
  });

  test("an agent answers nonsense, or an error, that is an error", async () => {
    const bad = await agentAt((response) => response.end("{}"));
    await expect(bad.agents.guestsOn("n1")).rejects.toThrow("no list of guests");
    const failing = await agentAt((response) => response.writeHead(500).end());
    await expect(failing.agents.guestsOn("n1")).rejects.toThrow("answers 500");
  });

  test("a node without agent, and one whose agent is not ready or going", async () => {
    const none = await agentAt(() => {}, []);
    await expect(none.agents.guestsOn("n1")).rejects.toThrow("No agent runs on node n1");
    expect(none.agents.readyOn("n1")).toBeUndefined();
    const starting = await agentAt(() => {}, [agent(false)]);
    expect(starting.agents.readyOn("n1")).toBe(false);
    const replaced = await agentAt(() => {}, [
      agent(true, { deletionTimestamp: "x" }),
      agent(false),
    ]);
    expect(replaced.agents.readyOn("n1")).toBe(false);
  });

  test("whatever an agent says: guests with whole fields, or an error that names it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        if (!Array.isArray(value)) {
          expect(() => parseGuests(value)).toThrow();
          return;
        }
        for (const guest of parseGuests(value)) expect(guest.connections).toBeGreaterThanOrEqual(0);
      }),
    );
    expect(parseGuests([{ uid: "u", connections: -1, shortcut: "x", reasons: [] }])).toEqual([
      {
        namespace: "",
        pod: "",
        uid: "u",
        container: "",
        processes: 0,
        connections: 0,
        shortcut: { connections: 0, bytes: 0 },
        relay: { connections: 0, bytes: 0 },
        reasons: {},
      },
    ]);
  });
});
