// Puts the guest runtime of pods together in a folder: what a node's volume driver shows to pods.
//
//     node scripts/runtime-folder.mjs FOLDER
//
//   runtime.cjs      what NODE_OPTIONS names: judges whether this Node can be a guest's
//   guest.cjs        the guest kernel (npm run build)
//   node_modules/    koffi and its binaries for Linux (glibc and musl) of the architectures that
//                    are installed; npm installs this machine's
//   LICENSES/        of what is not Outsock's own
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [target] = process.argv.slice(2);
if (target === undefined) {
  process.stderr.write("usage: node scripts/runtime-folder.mjs FOLDER\n");
  process.exit(2);
}

const bundle = join(root, "packages/guest-kernel/dist/runtime.cjs");
const installed = join(root, "node_modules");
const binaries = ["x64", "arm64"].map((arch) => `@koromix/koffi-linux-${arch}`);
const needed = [bundle, join(installed, `@koromix/koffi-linux-${process.arch}`)];
for (const path of needed) {
  if (existsSync(path)) continue;
  process.stderr.write(`runtime-folder: ${path} is missing: run npm ci and npm run build first\n`);
  process.exit(1);
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
cpSync(join(root, "packages/guest-kernel/pod/runtime.cjs"), join(target, "runtime.cjs"));
cpSync(bundle, join(target, "guest.cjs"));

const modules = join(target, "node_modules");
// The C++ sources beside it are for systems without a binary.
for (const path of [
  "package.json",
  "LICENSE.txt",
  "index.cjs",
  "src/koffi/index.cjs",
  "src/koffi/src/static.cjs",
]) {
  cpSync(join(installed, "koffi", path), join(modules, "koffi", path));
}
for (const name of binaries) {
  if (existsSync(join(installed, name))) {
    cpSync(join(installed, name), join(modules, name), { recursive: true });
  }
}
mkdirSync(join(target, "LICENSES"));
cpSync(join(root, "LICENSE"), join(target, "LICENSES/outsock"));
cpSync(join(installed, "koffi/LICENSE.txt"), join(target, "LICENSES/koffi"));

/** Pods run as any user. */
function openToAll(path) {
  const directory = statSync(path).isDirectory();
  chmodSync(path, directory || path.endsWith(".node") ? 0o755 : 0o644);
  if (directory) for (const name of readdirSync(path)) openToAll(join(path, name));
}
openToAll(target);
