/** What cannot start says why in one clear sentence, with the right exit code. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { memoryCgroup, whyNoMemoryCgroup } from "./cgroup.ts";
import { connectPeer, echoed, listenPeer } from "./peer.ts";
import { guestPuppet } from "./puppet.ts";
import {
  BUILT,
  CLI,
  freePort,
  program,
  type RunOptions,
  sandbox,
  sandboxOfAll,
} from "./sandbox.ts";
import { until } from "./wait.ts";

const WITHOUT = fileURLToPath(new URL("without-syscalls.mjs", import.meta.url));
const SHOW = program("show.cjs");

/** Words before `node` that set limits of the shell's `ulimit`. */
function limited(limit: string): RunOptions {
  return { prefix: ["sh", "-c", `ulimit ${limit} && exec "$@"`, "sh"] };
}

function without(...calls: string[]): RunOptions {
  return { prefix: [process.execPath, WITHOUT, calls.join(",")] };
}

describe.skipIf(!BUILT)("bad command lines", () => {
  const box = sandboxOfAll();
  const cases: [string, string[], RegExp][] = [
    ["no command", [], /^Usage: outsock /],
    ["an unknown command", ["nonsense"], /^error: unknown command 'nonsense'\n/],
    ["an unknown option", ["run", "--nope", SHOW], /^error: unknown option '--nope'\n/],
    ["no program", ["run"], /^error: missing required argument 'program'\n/],
    ["an option without its value", ["run", "--name"], /^error: option '--name .*missing\n/],
    ["an unknown mode", ["run", "--mode", "x", SHOW], /^outsock: --mode must be .*, not "x"\n$/],
    ["a bad name", ["run", "--name", "A_b", SHOW], /^outsock: --name must be .*, not "A_b"\n$/],
    ["a bad port", ["run", "--publish", "80", SHOW], /^outsock: --publish must be .*, not "80"\n$/],
    ["a port too high", ["run", "--publish", "70000:1", SHOW], /^outsock: --publish must be /],
    ["a bad address", ["run", "--publish", "h:1:1", SHOW], /^outsock: --publish must be /],
    ["a bad log level", ["agent", "--log-level", "x"], /^outsock: --log-level must be .*\n$/],
    ["an argument too many", ["ps", "x"], /^error: too many arguments for 'ps'/],
    ["no name of a guest", ["dmesg"], /^error: missing required argument 'name'\n/],
  ];
  test.each(cases)("%s: exit code 2 and a sentence", async (_what, words, stderr) => {
    const outcome = await box.outsock(words);
    expect(outcome).toMatchObject({ code: 2, stdout: "" });
    expect(outcome.stderr).toMatch(stderr);
    expect(outcome.stderr).not.toMatch(/\n\s+at /);
  });

  test("the program is missing: 127; a directory without one: 126", async () => {
    const missing = await box.guest("./nowhere.js", { cwd: box.directory }).ended;
    expect(missing).toMatchObject({ code: 127, stdout: "" });
    expect(missing.stderr).toBe("outsock: program not found: ./nowhere.js\n");
    const directory = await box.guest(box.directory).ended;
    expect(directory).toMatchObject({ code: 126, stdout: "" });
    expect(directory.stderr).toBe(`outsock: ${box.directory} is a directory without a program\n`);
  });
});

describe.skipIf(!BUILT)("outsock itself cannot start", () => {
  test.each([
    ["is a file", (path: string) => writeFileSync(path, "")],
    [
      "is open to everybody",
      (path: string) => {
        mkdirSync(path);
        chmodSync(path, 0o777);
      },
    ],
  ])("the runtime directory %s: run 125, agent 1, one sentence", async (_what, prepare) => {
    const box = sandbox();
    const path = join(box.directory, "elsewhere");
    prepare(path);
    const env = { OUTSOCK_RUNTIME_DIR: path };
    const stderr = new RegExp(`^outsock: ${path} must be a directory of user .*\\n$`);
    const run = await box.guest(SHOW, { env }).ended;
    expect(run).toMatchObject({ code: 125, stdout: "" });
    expect(run.stderr).toMatch(stderr);
    const agent = await box.outsock(["agent"], { env });
    expect(agent).toMatchObject({ code: 1, stdout: "" });
    expect(agent.stderr).toMatch(stderr);
  });

  test.each([
    ["is too long for a socket", `/tmp/${"x".repeat(120)}`, /is longer than a socket's may be/],
    ["cannot be made", "/proc/outsock", /^outsock: cannot make the directory \/proc\/outsock/],
  ])("the runtime directory %s: 125 and one sentence", async (_what, path, stderr) => {
    const box = sandbox();
    const run = await box.guest(SHOW, { env: { OUTSOCK_RUNTIME_DIR: path } }).ended;
    expect(run).toMatchObject({ code: 125, stdout: "" });
    expect(run.stderr).toMatch(stderr);
    expect(run.stderr.trimEnd()).not.toContain("\n");
  });

  test("the platform is not supported: 125 from run, agent says so too, help still works", async () => {
    const box = sandbox();
    const preload = join(box.directory, "platform.cjs");
    writeFileSync(preload, 'Object.defineProperty(process, "platform", { value: "sunos" });\n');
    const env = { NODE_OPTIONS: `--require ${preload}` };
    const sentence = `outsock: guests need Linux on x64 or arm64; this is sunos on ${process.arch}\n`;
    expect(await box.guest(SHOW, { env }).ended).toMatchObject({ code: 125, stderr: sentence });
    expect((await box.outsock(["agent"], { env })).stderr).toBe(sentence);
    expect((await box.outsock(["--help"], { env })).code).toBe(0);
  });

  test("no seccomp: 125 and one sentence that names the way out, which works", async () => {
    const box = sandbox();
    await box.agent();
    const run = await box.guest(SHOW, without("seccomp")).ended;
    expect(run).toMatchObject({ code: 125, stdout: "" });
    expect(run.stderr).toMatch(
      /^outsock: the host's network cannot be taken from the guest: .*seccomp.*--keep-host-network.*\n$/,
    );
    const options = { ...without("seccomp"), options: ["--keep-host-network"] };
    expect(await box.guest(SHOW, options).ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("no memfd_create: guests are refused with 125 and one sentence, the agent goes on", async () => {
    const box = sandbox();
    const agent = await box.agent(without("memfd_create"));
    const run = await box.guest(SHOW, { options: ["--name", "web"] }).ended;
    expect(run).toMatchObject({ code: 125, stdout: "" });
    expect(run.stderr).toMatch(
      /^outsock: no memory for the region of guest "web" .*memfd_create.*\n$/,
    );
    expect((await box.status())?.guests).toEqual([]);
    expect(agent.outcome).toBeUndefined();
  });

  test("`ulimit -f` is too low for a region: 125 and one sentence", async () => {
    const box = sandbox();
    await box.agent(limited("-f 1000"));
    const run = await box.guest(SHOW, { options: ["--name", "web"] }).ended;
    expect(run).toMatchObject({ code: 125, stdout: "" });
    expect(run.stderr).toMatch(
      /^outsock: no memory for the region of guest "web": the file size limit \(ulimit -f\) .*\n$/,
    );
    expect((await box.status())?.guests).toEqual([]);
  });

  const noCgroup = whyNoMemoryCgroup();
  test.skipIf(noCgroup !== undefined)(
    `the agent's memory cgroup is full: 125 and one sentence; room again: it works${noCgroup ? ` (${noCgroup})` : ""}`,
    async () => {
      const cgroup = memoryCgroup();
      const box = sandbox();
      const agent = await box.agent({ prefix: cgroup.prefix });
      cgroup.leave(4 * 1024 * 1024);
      const run = await box.guest(SHOW, { options: ["--name", "web"] }).ended;
      expect(run).toMatchObject({ code: 125, stdout: "" });
      expect(run.stderr).toMatch(
        /^outsock: no memory for the region of guest "web": the agent's memory cgroup has .*\n$/,
      );
      expect(agent.outcome).toBeUndefined();
      cgroup.unlimit();
      expect(await box.guest(SHOW, { options: ["--name", "web"] }).ended).toMatchObject({
        code: 0,
      });
    },
  );

  test("the agent is stopped and does not answer: run 125, ps 1, one sentence, no hang", async () => {
    const box = sandbox();
    const agent = await box.agent();
    agent.kill("SIGSTOP");
    const stderr = `outsock: the agent on ${box.socket} does not answer within 5 s\n`;
    const outcomes = await Promise.all([box.guest(SHOW).ended, box.outsock(["ps"])]);
    expect(outcomes[0]).toMatchObject({ code: 125, stderr });
    expect(outcomes[1]).toMatchObject({ code: 1, stderr });
    agent.kill("SIGCONT");
  });

  test("an agent that `outsock run` starts ends at once: 125 and its own words", async () => {
    const box = sandbox();
    // The agent that is to be started, not `run` itself, meets a lock that somebody holds.
    const holder = box.start("sh", [
      "-c",
      'exec 9>"$OUTSOCK_RUNTIME_DIR/agent.lock"; flock 9; echo held; exec cat',
    ]);
    await holder.printed(/held/);
    const run = await box.guest(SHOW).ended;
    expect(run).toMatchObject({ code: 125, stdout: "" });
    expect(run.stderr).toMatch(
      /^outsock: the host agent did not start: an agent runs already on .*\n$/,
    );
  });
});

describe.skipIf(!BUILT)("an agent with 64 descriptors", () => {
  test("a guest connects more often than that: EMFILE for those beyond, and later all is well", async () => {
    const box = sandbox();
    const agent = await box.agent(limited("-n 64"));
    const peer = await listenPeer((socket) => socket.pipe(socket));
    const guest = await guestPuppet(box);
    const ids = Array.from({ length: 100 }, (_, n) => `client${n}`);
    for (const id of ids) guest.do({ do: "connect", id, host: "host.outsock", port: peer.port });
    const result = (id: string) =>
      guest.events(id).find(({ event }) => event === "connect" || event === "error");
    await until("each has its result", () => ids.every((id) => result(id) !== undefined));
    const errors = ids.flatMap((id) => {
      const found = result(id)!;
      return found.event === "error" ? [[found.code, found.syscall]] : [];
    });
    expect(errors.length).toBeGreaterThan(40);
    expect(errors).toEqual(errors.map(() => ["EMFILE", "connect"]));
    const connected = ids.filter((id) => result(id)!.event === "connect");
    expect(connected.length).toBeGreaterThan(10);
    // No room for another guest either.
    const another = await box.guest(SHOW).ended;
    expect(another.code).toBe(125);
    expect(another.stderr).toMatch(/^outsock: .*\n$/);
    for (const id of connected) guest.do({ do: "close", id });
    await until("the agent has room", async () => {
      const status = await box.status();
      return status?.guests[0]?.processes[0]?.sockets === 0;
    });
    await guest.connect("after", "host.outsock", peer.port);
    expect((await box.guest(SHOW).ended).code).toBe(0);
    expect(agent.outcome).toBeUndefined();
  }, 60_000);

  test("clients connect more often than that: those beyond are closed, later ones are served", async () => {
    const box = sandbox();
    const agent = await box.agent(limited("-n 64"));
    const port = await freePort();
    const guest = await guestPuppet(box, { options: ["--publish", `${port}:8080`] });
    await guest.listen("server", 8080);
    const sockets = await Promise.all(Array.from({ length: 100 }, () => connectPeer(port)));
    const results = await Promise.all(
      sockets.map((socket) =>
        echoed(socket, Buffer.from("x")).then(
          () => "served",
          () => "closed",
        ),
      ),
    );
    expect(results.filter((result) => result === "closed").length).toBeGreaterThan(40);
    expect(results.filter((result) => result === "served").length).toBeGreaterThan(10);
    for (const socket of sockets) socket.destroy();
    await until("a later client is served", async () => {
      const socket = await connectPeer(port);
      const served = await echoed(socket, Buffer.from("later")).catch(() => undefined);
      socket.destroy();
      return served?.toString() === "later";
    });
    expect(agent.outcome).toBeUndefined();
  }, 60_000);
});

test.skipIf(BUILT)("nothing is built: 1 and one sentence", async () => {
  const box = sandbox();
  const outcome = await box.start(process.execPath, [CLI]).ended;
  expect(outcome).toMatchObject({ code: 1, stdout: "" });
  expect(outcome.stderr).toMatch(/^outsock: not built yet/);
});
