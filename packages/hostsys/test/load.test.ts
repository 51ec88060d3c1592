import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { ended, onLinux, resultOf } from "./child.ts";

it.each([
  ["platform", "darwin", `darwin on ${process.arch}`],
  ["arch", "riscv64", `${process.platform} on riscv64`],
])(
  "on another %s it can be imported, and a call says what is needed",
  async (key, value, where) => {
    const result = await resultOf(`
    Object.defineProperty(process, "${key}", { value: "${value}" });
    let error; try { hs.memfdCreate("x"); } catch (e) { error = e; }
    console.log(JSON.stringify([hs.isSupported(), error instanceof hs.SysError, error.code, error.message]));`);
    expect(result).toEqual([
      false,
      true,
      "ENOSYS",
      `load: Outsock needs Linux on x64 or arm64, this is ${where} (ENOSYS)`,
    ]);
  },
);

onLinux("bundle", () => {
  it("works as one CommonJS file with koffi outside; without koffi it can still be loaded", async () => {
    const directory = mkdtempSync(join(tmpdir(), "hostsys-bundle-"));
    const outfile = join(directory, "bundle.cjs");
    await build({
      stdin: { contents: 'export * from "@outsock/hostsys";', resolveDir: import.meta.dirname },
      outfile,
      bundle: true,
      platform: "node",
      format: "cjs",
      external: ["koffi"],
      logOverride: { "empty-import-meta": "silent" },
    });
    const run = (env: NodeJS.ProcessEnv) =>
      ended(
        spawn(
          process.execPath,
          [
            "-e",
            `const hs = require("${outfile}"); try { console.log(hs.getSeals(hs.memfdCreate("x")) & 7); } catch (e) { console.log(e.code, e.message); }`,
          ],
          { env: { ...process.env, ...env } },
        ),
      );
    const modules = join(import.meta.dirname, "../../../node_modules");
    const [withKoffi, without] = await Promise.all([
      run({ NODE_PATH: modules }),
      run({ NODE_PATH: "" }),
    ]);
    expect(withKoffi).toMatchObject({ out: "0\n", err: "", code: 0 });
    expect(without.out).toMatch(/^ENOSYS load: koffi cannot be loaded: Cannot find module 'koffi'/);
    rmSync(directory, { recursive: true });
  });
});
