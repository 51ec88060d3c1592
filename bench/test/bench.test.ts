import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Report } from "../src/index.ts";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));

/** All temporary files of a run are below it, and every process of a run has it as TMPDIR. */
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "bench-test-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function end(child: ChildProcess, onProgress = (_text: string): void => {}): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
    onProgress(stderr);
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

/** Processes of this test's runs that are alive. */
function alive(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8")
        .split("\0")
        .includes(`TMPDIR=${directory}`);
    } catch {
      return false;
    }
  });
}

describe.runIf(process.platform === "linux")("bench", () => {
  it("prints and writes rows, goals and samples, and leaves nothing behind", async () => {
    const json = join(directory, "result.json");
    const args = ["--only", "ping-pong", "--rounds", "1", "--seconds", "0.1", "--json", json];
    const { code, stdout, stderr } = await end(start(...args));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("ping-pong (1 of 1): round 1 of 1, outsourced guest-guest\n");
    const report = JSON.parse(readFileSync(json, "utf8")) as Report;
    expect(report).toMatchObject({ node: process.version, complete: true });
    expect(report.rows.map(({ mode, path }) => [mode, path])).toEqual([
      ["native", null],
      ["native-unix", null],
      ["outsourced", "guest-outside"],
      ["outsourced", "guest-guest"],
    ]);
    for (const { value, p50, p99, cpu } of report.rows) {
      for (const one of [value, p50, p99, cpu]) expect(one).toBeGreaterThan(0);
    }
    const [, , , guests] = report.rows;
    expect(guests?.ratios.map(({ to, of }) => `${of} to ${to}`)).toEqual([
      "value to native",
      "cpu to native",
      "value to native-unix",
      "cpu to native-unix",
    ]);
    expect(guests?.counters.doorbellsSent).toBeGreaterThanOrEqual(0);
    expect(report.samples).toHaveLength(4);
    expect(report.goals.filter(({ measured }) => measured !== null).length).toBeGreaterThan(0);
    expect(stdout).toContain("guest-guest");
    expect(alive()).toEqual([]);
    expect(readdirSync(directory)).toEqual(["result.json"]);
  });

  it.each(["stream-up", "stream-down", "messages-64", "connect", "http-1", "http-32", "flood"])(
    "%s gives a positive value in every setup",
    async (work) => {
      const json = join(directory, "result.json");
      const args = ["--only", work, "--rounds", "1", "--seconds", "0.1", "--json", json];
      const { code, stderr } = await end(start(...args));
      expect(code, stderr).toBe(0);
      const { rows } = JSON.parse(readFileSync(json, "utf8")) as Report;
      expect(rows).toHaveLength(work === "flood" ? 8 : 4);
      for (const { value } of rows) expect(value).toBeGreaterThan(0);
    },
  );

  it("natively alone, every work of a short ladder is measured over TCP and Unix sockets", async () => {
    const json = join(directory, "result.json");
    const ladder = ["--sizes", "100,1m", "--connections", "1,50"];
    const args = ["--mode", "native,native-unix", ...ladder, "--rounds", "1", "--seconds", "0.05"];
    const { code, stderr } = await end(start(...args, "--json", json));
    expect(code, stderr).toBe(0);
    const { rows } = JSON.parse(readFileSync(json, "utf8")) as Report;
    expect([...new Set(rows.map(({ work }) => work))]).toEqual([
      "stream-up",
      "stream-down",
      "messages-100",
      "messages-1m",
      "ping-pong",
      "connect",
      "http-1",
      "http-50",
      "flood",
    ]);
    for (const { mode, value, counters } of rows) {
      expect(["native", "native-unix"]).toContain(mode);
      expect(value).toBeGreaterThan(0);
      expect(counters).toEqual({});
    }
  });

  it("--profile writes a profile of every process, names functions and draws flames", async () => {
    const profiles = join(directory, "my profiles");
    const args = ["--only", "ping-pong", "--path", "guest-outside", "--rounds", "1"];
    const run = start(...args, "--seconds", "0.1", "--profile", profiles);
    const { code, stdout, stderr } = await end(run);
    expect(code, stderr).toBe(0);
    expect(readdirSync(profiles).sort()).toEqual([
      "ping-pong-native-client.cpuprofile",
      "ping-pong-native-server.cpuprofile",
      "ping-pong-outsourced-guest-outside-agent.cpuprofile",
      "ping-pong-outsourced-guest-outside-client.cpuprofile",
      "ping-pong-outsourced-guest-outside-server.cpuprofile",
      "ping-pong.html",
    ]);
    expect(stdout).toMatch(/ping-pong-outsourced-guest-outside-agent\.cpuprofile\n {2}.* %/);
    expect(stdout).toContain(`flame graphs: ${join(profiles, "ping-pong.html")}\n`);
  });

  it("interrupted, it says what was measured so far, ends with 130 and leaves nothing", async () => {
    const json = join(directory, "result.json");
    const run = start("--only", "ping-pong", "--seconds", "0.1", "--rounds", "999", "--json", json);
    let interrupted = false;
    const { code, stdout, stderr } = await end(run, (text) => {
      if (interrupted || !text.includes("round 2 of")) return;
      interrupted = true;
      run.kill("SIGINT");
    });
    expect(code).toBe(130);
    expect(stderr).toContain("interrupted; measured so far:");
    expect(stdout).toContain("guest-guest");
    expect(JSON.parse(readFileSync(json, "utf8"))).toMatchObject({ complete: false });
    expect(alive()).toEqual([]);
    expect(readdirSync(directory)).toEqual(["result.json"]);
  });

  it("when a program dies, it names it and ends with 1", async () => {
    const run = start("--only", "ping-pong", "--mode", "native", "--seconds", "5");
    let killed = false;
    const { code, stdout, stderr } = await end(run, (text) => {
      if (killed || !text.includes("warm-up")) return;
      killed = true;
      for (const pid of alive().map(Number)) {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        if (command.includes("programs/client.js")) process.kill(pid, "SIGKILL");
      }
    });
    expect(code).toBe(1);
    expect(stderr).toContain("bench: client of native was ended by SIGKILL");
    expect(stdout).toBe("nothing measured\n");
    expect(alive()).toEqual([]);
  });

  it("killed, its processes go by themselves", async () => {
    const run = start("--only", "ping-pong", "--seconds", "0.1", "--rounds", "999");
    let killed = false;
    await end(run, (text) => {
      if (killed || !text.includes("round 1 of")) return;
      killed = true;
      run.kill("SIGKILL");
    });
    await expect.poll(alive, { timeout: 15_000 }).toEqual([]);
  });

  it("a file that cannot be written is refused before anything is measured", async () => {
    const { code, stderr } = await end(start("--json", join(directory, "none", "result.json")));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^bench: cannot write there: ENOENT/);
    expect(existsSync(join(directory, "none"))).toBe(false);
  });
});
