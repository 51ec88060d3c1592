/** Much data, many connections, readers that stop. */
import { spawn } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { createConnection } from "node:net";
import { describe, expect, test } from "vitest";
import { connectPeer, listenPeer } from "./peer.ts";
import { anonymousMemory, sharedMemoryOf } from "./proc.ts";
import { BUILT, freePort, hasCommand, program, sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** The bytes that programs/http-blob.cjs sends. */
function blob(): Buffer {
  const block = Buffer.alloc(MIB);
  for (let i = 0; i < MIB; i++) block[i] = (i * 7 + (i >> 8)) & 255;
  return block;
}

/** SHA-256 of so many times the block. */
function hashOf(block: Buffer, times: number): string {
  const hash: Hash = createHash("sha256");
  for (let n = 0; n < times; n++) hash.update(block);
  return hash.digest("hex");
}

const noCurl = hasCommand("curl") ? undefined : "needs curl";

describe.skipIf(!BUILT)("bulk", () => {
  test.skipIf(noCurl !== undefined)(
    `1 GiB up and 1 GiB down by curl through a published port: checksums equal${noCurl ? ` (${noCurl})` : ""}`,
    async () => {
      const box = sandbox();
      await box.agent();
      const port = await freePort();
      const guest = box.guest(program("http-blob.cjs"), {
        options: ["--publish", `${port}:8080`],
        args: [String(GIB)],
      });
      await guest.printed(/ready/);
      const block = blob();
      const sha = hashOf(block, 1024);
      const url = `http://127.0.0.1:${port}`;

      const words = ["-sS", "--fail", "-H", "Expect:", "-T", "-", "-X", "POST", `${url}/up`];
      const up = box.start("curl", words);
      for (let n = 0; n < 1024; n++) {
        if (!up.child.stdin.write(block)) {
          await new Promise<void>((resolve) => up.child.stdin.once("drain", resolve));
        }
      }
      up.child.stdin.end();
      expect(await up.ended).toEqual({
        code: 0,
        signal: null,
        stdout: `${GIB} ${sha}\n`,
        stderr: "",
      });

      const down = spawn("curl", ["-sS", "--fail", `${url}/down`]);
      const hash = createHash("sha256");
      let size = 0;
      down.stdout.on("data", (data: Buffer) => {
        size += data.length;
        hash.update(data);
      });
      const code = await new Promise((resolve) => down.once("close", resolve));
      expect({ code, size, sha: hash.digest("hex") }).toEqual({ code: 0, size: GIB, sha });
    },
    120_000,
  );

  test("1,000 connections at a time, each echoes 1 MiB: every checksum is equal", async () => {
    const box = sandbox();
    await box.agent();
    const port = await freePort();
    const guest = box.guest(program("echo.cjs"), {
      options: ["--publish", `${port}:8080`],
      args: ["8080"],
    });
    await guest.printed(/ready/);
    let open = 0;
    let most = 0;
    const echo = (n: number): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const sent = Buffer.alloc(MIB, `connection ${n} `);
        const received = createHash("sha256");
        const socket = createConnection({ port, host: "127.0.0.1" }, () => {
          most = Math.max(most, ++open);
          // All are open before the first one has its bytes back.
          if (open === 1000) for (const start of starts) start();
        });
        starts.push(() => socket.end(sent));
        socket.on("data", (data) => received.update(data));
        socket.on("error", reject);
        socket.on("end", () => {
          const expected = createHash("sha256").update(sent).digest("hex");
          resolve(received.digest("hex") === expected);
        });
      });
    const starts: (() => void)[] = [];
    const results = await Promise.all(Array.from({ length: 1000 }, (_, n) => echo(n)));
    expect(results.filter((equal) => equal)).toHaveLength(1000);
    expect(most).toBe(1000);
    expect(guest.stdout).toBe("ready\n");
  }, 120_000);
});

/** Memory of a process may grow by this much while gigabytes could come. */
const GROWTH = 48 * MIB;

describe.skipIf(!BUILT)("a reader that stops reading", () => {
  test("a native peer floods a guest that does not read: it has to wait, memory stays bounded", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const port = await freePort();
    const guest = box.guest(program("flood.cjs"), {
      options: ["--publish", `${port}:8080`],
      args: ["read", "8080"],
    });
    await guest.printed(/ready/);
    const pids = [agent.pid, guest.pid];
    const before = pids.map((pid) => anonymousMemory(pid) + sharedMemoryOf(pid));
    const flood = box.native(program("flood.cjs"), { args: ["write", "127.0.0.1", String(port)] });
    await guest.printed(/connection/);
    await flood.printed(/waits after/);
    await settled(() => flood.stdout);
    const taken = Number(/waits after (\d+)\n$/.exec(flood.stdout)![1]);
    expect(taken).toBeLessThan(32 * MIB);
    const after = pids.map((pid) => anonymousMemory(pid) + sharedMemoryOf(pid));
    for (const [n, memory] of after.entries()) expect(memory - before[n]!).toBeLessThan(GROWTH);
    // Others are served meanwhile.
    const socket = await connectPeer(port);
    socket.destroy();
  }, 60_000);

  test("a guest floods a native peer that does not read: it has to wait, memory stays bounded", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const peer = await listenPeer((socket) => socket.pause());
    const guest = box.guest(program("flood.cjs"), {
      args: ["write", "host.outsock", String(peer.port)],
    });
    await guest.printed(/waits after/);
    await settled(() => guest.stdout);
    const taken = Number(/waits after (\d+)\n$/.exec(guest.stdout)![1]);
    expect(taken).toBeLessThan(32 * MIB);
    const pids = [agent.pid, guest.pid];
    const before = pids.map((pid) => anonymousMemory(pid) + sharedMemoryOf(pid));
    for (const memory of before) expect(memory).toBeLessThan(256 * MIB);
    // Read at last: the flood goes on, memory does not.
    for (const socket of peer.sockets) socket.resume();
    await until("256 MiB came", () => [...peer.sockets].some((s) => s.bytesRead > 256 * MIB));
    const after = pids.map((pid) => anonymousMemory(pid) + sharedMemoryOf(pid));
    for (const [n, memory] of after.entries()) expect(memory - before[n]!).toBeLessThan(GROWTH);
  }, 60_000);
});

/** Waits until what a program prints has not changed for a while: it waits for its peer. */
async function settled(text: () => string): Promise<void> {
  let last = "";
  let since = performance.now();
  await until("the flood stands still", () => {
    if (text() !== last) {
      last = text();
      since = performance.now();
    }
    return performance.now() - since > 500;
  });
}
