/** Many connections, many guests, and nothing to do: what each costs. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { alive } from "./proc.ts";
import type { TestProcess } from "./process.ts";
import { guestPuppet } from "./puppet.ts";
import { BUILT, program, type Sandbox, sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

const MIB = 1024 * 1024;

async function told<T>(process: TestProcess, event: string, timeout = 120_000): Promise<T> {
  return until(
    `${event} of ${process.pid}`,
    () => {
      if (process.outcome !== undefined) throw new Error(JSON.stringify(process.outcome));
      return process.records<{ event: string } & T>().find((record) => record.event === event);
    },
    { timeout, state: () => process.stdout + process.stderr },
  );
}

/** Proportional share of the memory that the process maps, bytes (proc(5), smaps_rollup). */
function proportionalMemory(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) * 1024;
}

/** CPU time of all threads so far, ns (proc(5), schedstat of the kernel's documentation). */
function cpuTime(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) =>
      sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]),
    0,
  );
}

async function agentPid(box: Sandbox): Promise<number> {
  return (await box.status())!.pid;
}

describe.skipIf(!BUILT)("scale", () => {
  test("10,000 idle connections of one guest to a native peer: 256 MiB for guest and agent", async () => {
    const box = sandbox();
    await box.agent();
    const peer = box.native(program("crowd.cjs"), { args: ["listen", "127.0.0.1"] });
    const { port } = await told<{ port: number }>(peer, "listening");
    const guest = box.guest(program("crowd.cjs"), {
      args: ["connect", "host.outsock", String(port), "10000"],
    });
    await told(guest, "open");
    const memory = proportionalMemory(await agentPid(box)) + proportionalMemory(guest.pid);
    process.stdout.write(`10,000 idle connections: ${Math.round(memory / MIB)} MiB\n`);
    expect(memory).toBeLessThan(256 * MIB);
    guest.say("ping");
    await told(guest, "alive");
  }, 180_000);

  test("100 guests on one agent: each reaches one server, by a shortcut", async () => {
    const box = sandbox();
    await box.agent();
    const server = box.guest(program("crowd.cjs"), {
      options: ["--name", "server"],
      args: ["listen"],
    });
    const { port } = await told<{ port: number }>(server, "listening");
    const guests: TestProcess[] = [];
    for (let n = 0; n < 100; n += 5) {
      const some = Array.from({ length: 5 }, (_, i) =>
        box.guest(program("crowd.cjs"), {
          options: ["--name", `guest-${n + i}`],
          args: ["connect", "server", String(port), "3"],
        }),
      );
      guests.push(...some);
      await Promise.all(some.map((guest) => told(guest, "open")));
    }
    for (const guest of guests) guest.say("ping");
    await Promise.all(guests.map((guest) => told(guest, "alive")));
    const status = (await box.ask({ request: "status" })) as {
      guests: { name: string; processes: { paths: Record<string, number> }[] }[];
    };
    expect(status.guests).toHaveLength(101);
    const listening = status.guests.find(({ name }) => name === "server");
    expect(listening?.processes[0]?.paths).toEqual({ shortcut: 300 });
  }, 300_000);

  test("nothing to do: guest and agent use less than 0.5 % of a processor", async () => {
    const box = sandbox();
    await box.agent();
    const server = await guestPuppet(box, { options: ["--name", "server"] });
    const client = await guestPuppet(box);
    await server.listen("s", 8080);
    await client.connect("c", "server", 8080);
    client.do({ do: "write", id: "c", text: "x" });
    await client.seen("c", "data");
    const pids = [await agentPid(box), server.process.pid, client.process.pid];
    const used = (since: number[]): number[] => pids.map((pid, i) => cpuTime(pid) - since[i]!);
    // Compilers and collectors of V8 still work for a while after the start.
    const share = await until(
      "all three rest",
      async () => {
        const before = pids.map(cpuTime);
        const start = performance.now();
        // What is measured is a time, so a time has to pass.
        await delay(2000);
        const elapsed = (performance.now() - start) * 1e6;
        const shares = used(before).map((ns) => ns / elapsed);
        return shares.every((part) => part < 0.005) && shares;
      },
      { timeout: 60_000 },
    );
    process.stdout.write(
      `at rest: agent ${(share[0]! * 100).toFixed(3)} %, guests ${share
        .slice(1)
        .map((part) => `${(part * 100).toFixed(3)} %`)
        .join(" and ")} of a processor\n`,
    );
    expect(pids.every(alive)).toBe(true);
  }, 120_000);
});
