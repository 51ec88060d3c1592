// Puts what each image runs under dist/images/<image>: one bundle for each program, the packages
// that cannot be bundled (native binaries), and the files that the program reads beside itself.
// services/Dockerfile copies these folders; nothing else of the repository goes into an image.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, "dist/images");

/**
 * programs: bundle, without ".mjs" -> the entry that `npm run build` made.
 * packages: kept as they are, with all that they depend on, looked up from the given workspace.
 * files: copied to the same place beside the bundle's folder.
 * runtime: with the guest runtime, whose koffi is the image's own too.
 */
const IMAGES = {
  agent: {
    programs: {
      "bin/outsock-agent": "services/host-agent/bin/outsock-agent.js",
      "bin/outsock-csi": "services/csi-driver/bin/outsock-csi.js",
    },
    files: { "services/csi-driver/proto": "proto" },
    runtime: true,
  },
  controller: {
    programs: {
      "bin/outsock-controller": "services/controller/dist/main.js",
      "bin/outsock-uninstall": "services/controller/dist/uninstall.js",
    },
  },
  "rubis-web": {
    programs: { "bin/rubis-web": "services/rubis-web/dist/main.js" },
    files: { "services/rubis-web/public": "public", "services/rubis-web/views": "views" },
  },
  "rubis-app": {
    programs: { "bin/rubis-app": "services/rubis-app/dist/main.js" },
  },
  "rubis-db": {
    programs: {
      "bin/rubis-db": "services/rubis-db/dist/main.js",
      "bin/rubis-load": "services/rubis-db/dist/load.js",
    },
    packages: { libsql: "services/rubis-db" },
  },
  loadtest: {
    programs: {
      "bin/loadtest": "loadtest/dist/main.js",
    },
    files: { "loadtest/data": "data" },
  },
};

const EXTERNAL = ["koffi", "libsql", "pg-native"];

/** The folder of an installed package as node finds it from another; null: not on this platform. */
function packageFolder(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (folder === dirname(folder)) return null;
  }
}

/** Copies a package and its dependencies into one flat node_modules. */
function copyClosure(name, from, target, copied = new Map()) {
  const folder = packageFolder(name, from);
  // Images are Debian's: the builds for musl stay out.
  if (folder === null || name.endsWith("-musl")) return;
  const description = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const earlier = copied.get(name);
  if (earlier !== undefined) {
    if (earlier !== description.version)
      throw new Error(`${name} is wanted in two versions: ${earlier}, ${description.version}`);
    return;
  }
  copied.set(name, description.version);
  cpSync(folder, join(target, name), {
    recursive: true,
    dereference: true,
    filter: (path) => !/\/(node_modules|types)$|\.(md|d\.ts)$/.test(path.slice(folder.length)),
  });
  for (const dependency of Object.keys({
    ...description.dependencies,
    ...description.optionalDependencies,
  }))
    copyClosure(dependency, folder, target, copied);
}

async function bundleProgram(entry, outfile) {
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    external: EXTERNAL,
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: "external",
    banner: {
      // CommonJS packages inside an ES module have no require of their own.
      js: 'import { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
  const text = readFileSync(outfile, "utf8");
  if (!text.startsWith("#!")) writeFileSync(outfile, `#!/usr/bin/env node\n${text}`);
  chmodSync(outfile, 0o755);
}

rmSync(out, { recursive: true, force: true });
for (const [image, { programs, packages = {}, files = {}, runtime = false }] of Object.entries(
  IMAGES,
)) {
  const folder = join(out, image);
  mkdirSync(folder, { recursive: true });
  for (const [name, entry] of Object.entries(programs)) {
    if (!existsSync(join(root, entry))) throw new Error(`${entry} is missing: npm run build first`);
    await bundleProgram(entry, join(folder, `${name}.mjs`));
  }
  for (const [name, workspace] of Object.entries(packages))
    copyClosure(name, join(root, workspace), join(folder, "node_modules"));
  for (const [from, to] of Object.entries(files))
    cpSync(join(root, from), join(folder, to), { recursive: true });
  if (runtime) {
    const script = join(root, "scripts/runtime-folder.mjs");
    const made = spawnSync(process.execPath, [script, join(folder, "runtime")], {
      stdio: "inherit",
    });
    if (made.status !== 0) throw new Error("the guest runtime could not be put together");
    symlinkSync("runtime/node_modules", join(folder, "node_modules"));
  }
}
process.stdout.write(`${Object.keys(IMAGES).length} image folders in dist/images\n`);
