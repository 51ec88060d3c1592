// Builds every image of services/Dockerfile, and prints what each adds to the base image.
//   npm run images                              all, tagged outsock/<name>:<version>
//   npm run images -- --only agent,controller   some
// DOCKER_BUILD_FLAGS is handed to `docker build`, e.g. "--network host --platform linux/arm64".
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const BASE = "node:24-bookworm-slim";
const IMAGES = ["agent", "guest", "controller", "rubis-web", "rubis-app", "rubis-db", "loadtest"];
const DEFAULT_REGISTRY = "https://registry.npmjs.org/";

function fail(text) {
  process.stderr.write(`images: ${text}\n`);
  process.exit(1);
}

function output(command, args) {
  const run = spawnSync(command, args, { encoding: "utf8", cwd: root });
  return run.status === 0 ? run.stdout.trim() : null;
}

/** Runs `docker build`; the step that it is at stands on one line, its whole output only on failure. */
function dockerBuild(args, title) {
  return new Promise((resolve, reject) => {
    const child = spawn("docker", ["build", ...args], { cwd: root });
    const lines = [];
    const note = (line) => {
      lines.push(line);
      if (process.stdout.isTTY && /^(Step|#)\s?\d/.test(line))
        process.stdout.write(`\r\x1b[K${title}: ${line}`.slice(0, process.stdout.columns - 1));
    };
    createInterface({ input: child.stdout }).on("line", note);
    createInterface({ input: child.stderr }).on("line", note);
    child.once("error", reject);
    child.once("close", (code) => {
      if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
      if (code === 0) resolve();
      else reject(new Error(`docker build of ${title} failed:\n${lines.slice(-40).join("\n")}`));
    });
  });
}

const size = (image) => Number(output("docker", ["image", "inspect", "-f", "{{.Size}}", image]));
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    tag: { type: "string" },
    prefix: { type: "string", default: "outsock" },
  },
});
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const tag = values.tag ?? version;
const wanted = values.only?.split(",") ?? IMAGES;
for (const name of wanted)
  if (!IMAGES.includes(name)) fail(`there is no image "${name}"; there are ${IMAGES.join(", ")}`);
if (output("docker", ["version", "-f", "{{.Server.Version}}"]) === null)
  fail("Docker does not answer (`docker version`). Install or start it first.");

const flags = (process.env.DOCKER_BUILD_FLAGS ?? "").split(/\s+/).filter(Boolean);
const registry = output("npm", ["config", "get", "registry"]);
if (registry && registry !== DEFAULT_REGISTRY)
  flags.push("--build-arg", `NPM_REGISTRY=${registry}`);

const began = Date.now();
for (const [i, name] of wanted.entries()) {
  const image = `${values.prefix}/${name}:${tag}`;
  const started = Date.now();
  const title = `[${i + 1}/${wanted.length}] ${image}`;
  process.stdout.write(process.stdout.isTTY ? title : `${title} ...\n`);
  try {
    await dockerBuild(
      ["-f", "services/Dockerfile", "--target", name, "-t", image, ...flags, "."],
      title,
    );
  } catch (error) {
    fail(error.message);
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  process.stdout.write(
    `${title}: ${megabytes(size(image) - size(BASE))} above ${BASE} (${seconds} s)\n`,
  );
}
process.stdout.write(`All images after ${((Date.now() - began) / 1000).toFixed(0)} s.\n`);
