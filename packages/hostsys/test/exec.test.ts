import { spawn } from "node:child_process";
import { execve } from "@outsock/hostsys";
import { expect, it } from "vitest";
import { codeOf, type Ended, ended, onLinux, resultOf, start } from "./child.ts";

/** A process that becomes `path`; `before` runs in it first. */
function becoming(path: string, argv: string[], before = "", env = "{}"): Promise<Ended> {
  const child = start(
    `${before}; hs.execve(${JSON.stringify(path)}, ${JSON.stringify(argv)}, ${env});`,
  );
  child.stdin!.end("from stdin");
  return ended(child);
}

const NODE = process.execPath;

/** Signal masks of a process, as /proc writes them. */
const masks = (status: string): string[] => status.match(/^Sig(Blk|Ign|Cgt):.*$/gm) ?? [];

onLinux("execve", () => {
  it("keeps the pid and the streams, and gives arguments, environment and exit code", async () => {
    const script = `process.stdin.on("data", (data) => {
      console.log(JSON.stringify([process.pid, process.argv.slice(1), process.env, String(data)]));
      console.error("to stderr"); process.exitCode = 7; });`;
    const words = ["", "ünïcödé 🦊", "", 'quo"te', "new\nline", ""];
    const child = start(
      `hs.execve(${JSON.stringify(NODE)}, ${JSON.stringify(["node", "-e", script, "--", ...words])}, { A: "", ÄÖ: "ß=1", B: "x y" });`,
    );
    child.stdin!.end("from stdin");
    const { out, err, code } = await ended(child);
    expect(JSON.parse(out)).toEqual([
      child.pid,
      words,
      { A: "", ÄÖ: "ß=1", B: "x y" },
      "from stdin",
    ]);
    expect([err, code]).toEqual(["to stderr\n", 7]);
  });

  it("a program ended by SIGTERM is seen as ended by it", async () => {
    const child = start(
      `hs.execve(${JSON.stringify(NODE)}, ["node", "-e", "setInterval(() => {}, 1e6); console.log(process.pid)"], {});`,
    );
    const result = ended(child);
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    process.kill(child.pid!, "SIGTERM");
    expect(await result).toMatchObject({ code: null, signal: "SIGTERM" });
  });

  it("a new program has no signal blocked or ignored", async () => {
    const { out } = await becoming("/bin/cat", ["cat", "/proc/self/status"]);
    expect(masks(out)).toEqual(
      ["SigBlk", "SigIgn", "SigCgt"].map((name) => `${name}:\t0000000000000000`),
    );
  });

  it("a Node has the signals, limits and descriptors of one that was spawned", async () => {
    const script = `const fs = require("fs"); console.log(fs.readFileSync("/proc/self/status", "utf8"));
      console.log("limits", fs.readFileSync("/proc/self/limits", "utf8"));
      console.log("open", fs.readdirSync("/proc/self/fd").length);`;
    const direct = spawn(NODE, ["-e", script], { env: {} });
    direct.stdin.end();
    const [plain, replaced] = await Promise.all([
      ended(direct),
      becoming(
        NODE,
        ["node", "-e", script],
        'process.on("SIGUSR2", () => {}); process.on("SIGHUP", () => {})',
      ),
    ]);
    expect(masks(replaced.out)).toEqual(masks(plain.out));
    expect(masks(plain.out)).toHaveLength(3);
    const after = (text: string): string => text.slice(text.indexOf("limits"));
    expect(after(replaced.out)).toBe(after(plain.out));
  });

  it("streams that libuv made nonblocking, or that were closed on exec, are as before", async () => {
    const { out, code } = await becoming(
      "/bin/sh",
      ["sh", "-c", "cat /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2"],
      `process.stdin.pause(); process.stdout.write(""); process.stderr.write("");
      for (const fd of [0, 1, 2]) hs.setCloexec(fd, true)`,
      "{ PATH: process.env.PATH }",
    );
    const flags = [...out.matchAll(/^flags:\s+(\d+)$/gm)].map(([, octal]) =>
      Number.parseInt(octal!, 8),
    );
    expect(flags).toHaveLength(3);
    for (const value of flags) expect(value & 0o4000).toBe(0);
    expect(code).toBe(0);
  });

  it("a closed stream stays closed", async () => {
    const { out } = await becoming(
      "/bin/sh",
      ["sh", "-c", "ls /proc/self/fd | head -1"],
      "fs.closeSync(0)",
      "{ PATH: process.env.PATH }",
    );
    // ls opens the directory on the lowest free number.
    expect(out).toBe("0\n");
  });

  it("descriptors other than the streams: only those not closed on exec", async () => {
    const { out } = await becoming(
      "/bin/sh",
      ["sh", "-c", 'readlink /proc/$$/fd/"$KEPT"; readlink /proc/$$/fd/"$GONE"; echo end'],
      'const kept = hs.memfdCreate("kept"), gone = hs.memfdCreate("gone"); hs.setCloexec(kept, false)',
      "{ PATH: process.env.PATH, KEPT: String(kept), GONE: String(gone) }",
    );
    expect(out).toBe("/memfd:kept (deleted)\nend\n");
  });

  it("800 KiB of environment and an argument of 100 KiB arrive whole", async () => {
    const script =
      "console.log(JSON.stringify([Object.keys(process.env).length, Object.values(process.env).join('').length, process.argv[1].length]))";
    const child = start(
      `const env = {}; for (let i = 0; i < 200; i++) env["V" + i] = "ä".repeat(2048);
      hs.execve(${JSON.stringify(NODE)}, ["node", "-e", ${JSON.stringify(script)}, "x".repeat(100_000)], env);`,
    );
    const { out } = await ended(child);
    expect(JSON.parse(out)).toEqual([200, 200 * 2048, 100_000]);
  });

  it("when it fails the process goes on as it was", async () => {
    const result = await resultOf(`
      const state = () => [fs.readFileSync("/proc/self/status", "utf8").match(/^Sig(Blk|Ign|Cgt):.*$/gm),
        [0, 1, 2].map((fd) => fs.readFileSync("/proc/self/fdinfo/" + fd, "utf8").match(/flags.*/)[0])];
      process.stdout.write(""); hs.setCloexec(1, true);
      const before = JSON.stringify(state());
      const code = (...args) => { try { hs.execve(...args); } catch (e) { return [e.name, e.code]; } };
      const codes = [
        code("/none", ["x"], {}), code("/etc", ["x"], {}), code("/etc/passwd/x", ["x"], {}),
        code(process.execPath, ["node", "x".repeat(200_000)], {}),
        code(process.execPath, ["node", "a\\0b"], {}), code(process.execPath, ["node"], { A: "a\\0b" }),
        code(process.execPath, ["node"], { "A=B": "" }), code(process.execPath, ["node"], { "": "x" }),
        code("/bin\\0/sh", ["x"], {}),
      ].map(([name, text]) => name + " " + text);
      const same = before === JSON.stringify(state());
      fs.writeSync(1, JSON.stringify([codes, same]));`);
    expect(result).toEqual([
      [
        "ENOENT",
        "EACCES",
        "ENOTDIR",
        "E2BIG",
        "EINVAL",
        "EINVAL",
        "EINVAL",
        "EINVAL",
        "EINVAL",
      ].map((code) => `SysError ${code}`),
      true,
    ]);
  });

  it("a path that is missing: ENOENT, in this process too", () => {
    expect(codeOf(() => execve("/none/such", ["x"], {}))).toBe("ENOENT");
  });
});
