import { spawnSync } from "node:child_process";
import { isSupported, parseMountInfo } from "@outsock/hostsys";
import { describe, expect, it } from "vitest";
import { nodeArguments } from "./child.ts";

const root =
  isSupported() &&
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["-m", "true"], { stdio: "ignore" }).status === 0;

/** Runs in a mount namespace of its own: what it mounts is gone with it. */
function inMountNamespace(script: string): unknown {
  const words = ["-m", "--propagation", "private", process.execPath, ...nodeArguments(script)];
  const { stdout, stderr, status } = spawnSync("unshare", words, {
    encoding: "utf8",
    cwd: new URL("..", import.meta.url),
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`${status}: ${stderr}`);
  return JSON.parse(stdout);
}

describe.skipIf(!root)("mounts [root, unshare]", () => {
  it("tmpfs and binds come, restrict, and go", () => {
    const seen = inMountNamespace(`
      import { join } from "node:path";
      const dir = fs.mkdtempSync("/tmp/outsock-mount-");
      const code = (work) => { try { work(); return "fine"; } catch (error) { return error.code; } };
      const volume = join(dir, "volume"), source = join(dir, "source");
      fs.mkdirSync(volume); fs.mkdirSync(source);
      fs.writeFileSync(join(source, "file"), "text");
      hs.mountTmpfs(volume, { mode: 0o755, bytes: 65536 });
      const mode = (fs.statSync(volume).mode & 0o7777).toString(8);
      fs.mkdirSync(join(volume, "bound"));
      hs.bindMount(source, join(volume, "bound"), { readOnly: true });
      const text = fs.readFileSync(join(volume, "bound", "file"), "utf8");
      const writeBound = code(() => fs.writeFileSync(join(volume, "bound", "other"), "x"));
      hs.remountBind(volume, { readOnly: true });
      const writeVolume = code(() => fs.writeFileSync(join(volume, "other"), "x"));
      const points = hs.parseMountInfo(fs.readFileSync("/proc/self/mountinfo", "utf8"))
        .filter((m) => m.path.startsWith(dir)).map((m) => [m.path.slice(dir.length), m.type === "tmpfs"]);
      const busy = code(() => hs.unmount(volume));
      const gone = [hs.unmount(join(volume, "bound")), hs.unmount(volume), hs.unmount(volume), hs.unmount(join(dir, "none"))];
      const left = fs.readdirSync(volume);
      const missing = code(() => hs.bindMount(join(dir, "none"), volume));
      fs.rmSync(dir, { recursive: true });
      console.log(JSON.stringify({ mode, text, writeBound, writeVolume, points: points.map((p) => p[0]), busy, gone, left, missing }));
    `);
    expect(seen).toEqual({
      mode: "755",
      text: "text",
      writeBound: "EROFS",
      writeVolume: "EROFS",
      points: ["/volume", "/volume/bound"],
      busy: "EBUSY",
      gone: [true, true, false, false],
      left: [],
      missing: "ENOENT",
    });
  });
});

it("mountinfo with escapes and optional fields is read", () => {
  const text =
    "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw\nnonsense\n";
  expect(parseMountInfo(text)).toEqual([
    { path: "/mnt 2", root: "/mnt1", type: "ext3", source: "/dev/root", shared: true },
  ]);
});
