import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProcessError, ProcessSet } from "../src/compare/processes.ts";
import { Watchdog } from "../src/compare/watchdog.ts";

const never = new AbortController().signal;
const env = { PATH: process.env.PATH ?? "" };

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

let scratch: string;
let processes: ProcessSet;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "outsock-processes-"));
  processes = new ProcessSet(scratch);
});
afterEach(async () => {
  await processes.close(0);
  rmSync(scratch, { recursive: true, force: true });
});

const start = (name: string, program: string) => processes.start(name, ["-e", program], { env });

describe("processes", () => {
  it("a line is found, whichever stream it comes on", async () => {
    const one = start(
      "web",
      'console.error("web listening on 127.0.0.1:81"); setInterval(() => {}, 1e6)',
    );
    const match = await one.line(/listening on (\S+):(\d+)/, 30_000, never);
    expect(match[2]).toBe("81");
  });

  it("one that ends early fails with its name, exit code and last lines", async () => {
    const one = start("app", 'console.error("no database"); process.exit(3)');
    const error = await one.line(/listening/, 30_000, never).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ProcessError);
    expect(error).toMatchObject({
      message: "app ended with exit code 3",
      processName: "app",
      lastLines: ["no database"],
    });
    expect(one.died).toBe(true);
  });

  it("one that says nothing fails after its time", async () => {
    const one = start("db", "setInterval(() => {}, 1e6)");
    await expect(one.line(/listening/, 50, never)).rejects.toThrow("db was not ready after 0.05 s");
  });

  it("an abort ends the wait at once", async () => {
    const one = start("db", "setInterval(() => {}, 1e6)");
    const abort = new AbortController();
    const waiting = one.line(/listening/, 30_000, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toThrow();
  });

  it("one that ignores SIGTERM is killed, with what it started", async () => {
    const one = start(
      "web",
      `process.on("SIGTERM", () => {});
       const child = require("child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"]);
       console.log("child " + child.pid); setInterval(() => {}, 1e6)`,
    );
    const child = Number((await one.line(/child (\d+)/, 30_000, never))[1]);
    await processes.stop([one], 20);
    expect(alive(one.pid)).toBe(false);
    await until(() => !alive(child));
    expect(one.died).toBe(false);
  });
});

describe("watchdog", () => {
  it("its parent's death: kills the groups and removes the scratch directory", async () => {
    const victim: ChildProcess = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"], {
      detached: true,
      stdio: "ignore",
    });
    const ended = once(victim, "exit");
    const watchdog = new Watchdog(scratch);
    watchdog.guard([victim.pid ?? 0]);
    watchdog.abandon();
    expect((await ended)[1]).toBe("SIGKILL");
    await until(() => !existsSync(scratch));
  });
});
