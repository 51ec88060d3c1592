/** `outsock run`: agents that come and go, exit codes, signals, streams, arguments. */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { alive } from "./proc.ts";
import { guestPuppet } from "./puppet.ts";
import { BUILT, program, type RunOptions, type Sandbox, sandbox, sandboxOfAll } from "./sandbox.ts";
import { until } from "./wait.ts";

/** A few seconds, as an agent stays after its last guest, and a busy machine's hiccup. */
const LINGER = 10_000;

async function sandboxWithAgent(): Promise<Sandbox> {
  const box = sandbox();
  await box.agent();
  return box;
}

/** Runs a program that prints one JSON. */
async function shown(box: Sandbox, path: string, options: RunOptions = {}) {
  const { code, stdout, stderr } = await box.guest(path, options).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

describe.skipIf(!BUILT)("agents come and go", () => {
  test("no agent runs, `outsock run` starts one: it is gone a few seconds after its last guest", async () => {
    const box = sandbox();
    const guest = await guestPuppet(box);
    const { pid } = (await box.status())!;
    expect(pid).not.toBe(guest.process.pid);
    guest.do({ do: "exit", code: 0 });
    await guest.process.ended;
    expect(alive(pid)).toBe(true);
    await until("the agent has ended", () => !alive(pid), { timeout: LINGER });
    expect(existsSync(box.socket)).toBe(false);
    expect(await box.outsock(["ps"])).toMatchObject({ code: 0, stdout: /no agent runs/ });
  }, 60_000);

  test("a guest comes while an idle agent lingers: the same agent serves it", async () => {
    const box = sandbox();
    expect((await box.guest(program("end.cjs"), { args: ["0"] }).ended).code).toBe(0);
    const { pid } = (await box.status())!;
    await guestPuppet(box);
    expect((await box.status())?.pid).toBe(pid);
  }, 60_000);

  test("four guests start at the same time without an agent: one agent serves them all", async () => {
    const box = sandbox();
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((name) => guestPuppet(box, { options: ["--name", name] })));
    const status = await box.status();
    expect(status?.guests.map((guest) => guest.name).sort()).toEqual(names);
    // Those that came second find the lock held and end.
    await until("one agent is left", () => {
      const agents = readdirSync("/proc").filter((pid) => isAgentOf(pid, box.directory));
      return agents.length === 1 && agents[0] === String(status?.pid);
    });
  }, 60_000);

  test("an agent runs in the foreground, SIGTERM comes: it ends with 0 and takes its socket away", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const guest = await guestPuppet(box);
    await guest.listen("server", 8080);
    agent.kill("SIGTERM");
    expect(await agent.ended).toMatchObject({ code: 0, signal: null });
    expect(existsSync(box.socket)).toBe(false);
    expect(guest.process.outcome).toBeUndefined();
  }, 60_000);

  test("an agent runs already, another is started: it ends with 1 and says so", async () => {
    const box = await sandboxWithAgent();
    const second = await box.outsock(["agent"]);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/^outsock: an agent runs already on .*agent\.sock.*\n$/);
  }, 60_000);
});

function isAgentOf(pid: string, directory: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return (
      words.includes("agent") &&
      readFileSync(`/proc/${pid}/environ`, "utf8").includes(`${directory}/run\0`)
    );
  } catch {
    return false;
  }
}

describe.skipIf(!BUILT)("how a program ends", () => {
  const box = sandboxOfAll();

  test.each([0, 3, 255])(
    "it exits with %i: so does `outsock run`",
    async (code) => {
      const outcome = await box.guest(program("end.cjs"), { args: [String(code)] }).ended;
      expect(outcome).toEqual({ code, signal: null, stdout: "", stderr: "" });
    },
    30_000,
  );

  test.each(["throw", "reject"])(
    "it ends by %s: exit code 1, the stack is its own",
    async (how) => {
      const outcome = await box.guest(program("end.cjs"), { args: [how] }).ended;
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toMatch(/Error: (thrown|rejected) by the program\n\s+at .*end\.cjs/);
      expect(outcome.stderr).not.toMatch(/outsock/i);
    },
    30_000,
  );

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "it handles %s: its handler runs, its exit code counts",
    async (signal) => {
      const guest = box.guest(program("end.cjs"), { args: ["handle"] });
      await guest.printed(/ready/);
      guest.kill("SIGUSR2");
      await guest.printed(/got SIGUSR2/);
      guest.kill(signal);
      expect(await guest.ended).toMatchObject({ code: 7, signal: null });
      expect(guest.stdout).toBe(`ready\ngot SIGUSR2\ngot ${signal}\n`);
    },
    30_000,
  );

  test.each(["SIGTERM", "SIGINT", "SIGKILL"] as const)(
    "%s kills it: the parent sees a death by that signal",
    async (signal) => {
      const guest = box.guest(program("end.cjs"), { args: ["wait"] });
      await guest.printed(/ready/);
      guest.kill(signal);
      expect(await guest.ended).toMatchObject({ code: null, signal, stderr: "" });
    },
    30_000,
  );
});

describe.skipIf(!BUILT)("standard streams", () => {
  const box = sandboxOfAll();

  test("64 MiB on standard input: all of it comes through to standard output", async () => {
    const guest = box.guest(program("cat.cjs"));
    const sent = createHash("sha256");
    const received = createHash("sha256");
    guest.child.stdout.removeAllListeners("data");
    // Raw bytes, not text.
    guest.child.stdout.setEncoding("latin1");
    guest.child.stdout.on("data", (text: string) => received.update(Buffer.from(text, "latin1")));
    const block = Buffer.alloc(1024 * 1024);
    for (let n = 0; n < 64; n++) {
      block.fill(`block ${n} \xff`, "latin1");
      sent.update(block);
      const whole = Buffer.from(block);
      if (!guest.child.stdin.write(whole)) {
        await new Promise<void>((resolve) => guest.child.stdin.once("drain", resolve));
      }
    }
    guest.child.stdin.end();
    await finished(guest.child.stdin);
    expect(await guest.ended).toMatchObject({ code: 0, stderr: `${64 * 1024 * 1024} bytes\n` });
    expect(received.digest("hex")).toBe(sent.digest("hex"));
  }, 60_000);

  test("standard input is closed: the program reads its end", async () => {
    const guest = box.guest(program("cat.cjs"), { prefix: ["sh", "-c", 'exec "$@" <&-', "sh"] });
    expect(await guest.ended).toMatchObject({ code: 0, stdout: "", stderr: "0 bytes\n" });
  }, 30_000);
});

describe.skipIf(!BUILT)("what a program is started with", () => {
  const box = sandboxOfAll();

  test("arguments with spaces, quotes, unicode, nothing, and dashes: they come unchanged", async () => {
    const args = ["a b", 'quote"s', "naïve ✓ 東京", "", "--name", "x", "-p", "--", "$HOME", "\\n"];
    const found = await shown(box, program("show.cjs"), { args });
    expect(found.args).toEqual(args);
  }, 30_000);

  test("the same process, directory, environment and script as natively", async () => {
    const options = { env: { HELLO: "wörld" }, cwd: box.directory };
    const guest = box.guest(program("show.cjs"), options);
    await guest.ended;
    const found = JSON.parse(guest.stdout);
    const native = JSON.parse((await box.native(program("show.cjs"), options).ended).stdout);
    expect({ ...found, pid: 0 }).toEqual({ ...native, pid: 0 });
    expect(found.pid).toBe(guest.pid);
  }, 30_000);

  test("NODE_OPTIONS of the user, with quotes and a path with spaces: all of them hold", async () => {
    const folder = join(box.directory, "with space");
    mkdirSync(folder);
    writeFileSync(join(folder, "before.cjs"), 'process.env.HELLO = "from the preload";\n');
    const options = `--stack-trace-limit=3 --require "${join(folder, "before.cjs")}"`;
    const found = await shown(box, program("show.cjs"), { env: { NODE_OPTIONS: options } });
    expect(found).toMatchObject({ stackTraceLimit: 3, hello: "from the preload" });
  }, 30_000);

  test("programs of every kind run: CommonJS, ES module, no extension, directory, symbolic link", async () => {
    const at = (name: string): string => join(box.directory, name);
    const source =
      'console.log(JSON.stringify({ kind: typeof require, net: !!require("net") }));\n';
    writeFileSync(at("no-extension"), source);
    writeFileSync(at("spaced name.js"), source);
    mkdirSync(at("folder"));
    writeFileSync(at("folder/package.json"), '{ "main": "./start.js" }');
    writeFileSync(at("folder/start.js"), source);
    mkdirSync(at("esm"));
    writeFileSync(at("esm/package.json"), '{ "type": "module" }');
    writeFileSync(
      at("esm/index.js"),
      'import "node:net"; console.log(JSON.stringify({ kind: typeof require, net: true }));\n',
    );
    symlinkSync(at("no-extension"), at("link"));
    const kinds: string[] = [];
    for (const name of [
      "no-extension",
      "spaced name.js",
      "folder",
      "esm/index.js",
      "esm",
      "link",
    ]) {
      kinds.push((await shown(box, at(name))).kind);
    }
    expect(kinds).toEqual([
      "function",
      "function",
      "function",
      "undefined",
      "undefined",
      "function",
    ]);
    expect((await shown(box, program("show.cjs"))).kind).toBe("commonjs");
    expect(await shown(box, program("show.mjs"), { args: ["x"] })).toMatchObject({
      kind: "module",
      args: ["x"],
    });
    const options = { cwd: join(program("show.cjs"), "..") };
    expect((await shown(box, "./show.cjs", options)).main).toBe(true);
  }, 60_000);

  test("--strace: the system calls of the program stand on standard error", async () => {
    const guest = box.guest(program("show.mjs"), { options: ["--strace"] });
    expect((await guest.ended).code).toBe(0);
    expect(guest.stderr).toMatch(/^\[\d+\] socket\(10, 1, 0\) = \d+$/m);
    expect(guest.stderr).toMatch(/^\[\d+\] listen\(\d+, 511\) = 0$/m);
  }, 30_000);
});
