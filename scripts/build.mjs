// Builds every workspace with `tsc -b`, then bundles the guest runtime into one CommonJS file:
// a guest loads it by `--require`, which must be synchronous and independent of the program's
// own module resolution.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
const run = spawnSync(process.execPath, [tsc, "-b", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
if (run.status !== 0) process.exit(run.status ?? 1);

await build({
  entryPoints: [join(root, "packages/guest-kernel/dist/runtime/boot.js")],
  outfile: join(root, "packages/guest-kernel/dist/runtime.cjs"),
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["koffi"],
  sourcemap: true,
  // A CommonJS file has no import.meta.
  define: { "import.meta.url": "__outsockUrl" },
  banner: { js: 'const __outsockUrl = require("node:url").pathToFileURL(__filename).href;' },
  logLevel: "warning",
});
