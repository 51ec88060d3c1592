// A kind cluster to try the chart on: `npm run kind:up`, `kind:load`, `kind:down`.
//   KIND_CLUSTER_NAME  (outsock)
//   KIND_NODE_IMAGE    image of the nodes (kind's own)
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const name = process.env.KIND_CLUSTER_NAME || "outsock";
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
// What the chart and the examples deploy. Loading Node's own image saves every node a pull.
const IMAGES = [
  ...["agent", "guest", "controller", "rubis-web", "rubis-app", "rubis-db"].map(
    (image) => `outsock/${image}:${version}`,
  ),
  "node:24-bookworm-slim",
];

function fail(text) {
  process.stderr.write(`kind: ${text}\n`);
  process.exit(1);
}

function kind(...args) {
  const run = spawnSync("kind", args, { cwd: root, stdio: "inherit" });
  if (run.status !== 0) process.exit(run.status ?? 1);
}

function lines(command, args, missing) {
  const run = spawnSync(command, args, { encoding: "utf8" });
  if (run.error) fail(missing);
  return run.status === 0 ? run.stdout.split("\n").filter(Boolean) : null;
}

const commands = {
  up() {
    if (clusters.includes(name)) {
      process.stdout.write(`The cluster ${name} is there already.\n`);
      return;
    }
    const image = process.env.KIND_NODE_IMAGE;
    const nodeImage = image ? ["--image", image] : [];
    kind(
      "create",
      "cluster",
      "--name",
      name,
      "--config",
      "k8s/kind.yaml",
      "--wait",
      "180s",
      ...nodeImage,
    );
  },
  load() {
    if (!clusters.includes(name)) fail(`there is no cluster ${name}: npm run kind:up first`);
    for (const image of IMAGES)
      if (
        lines("docker", ["image", "inspect", "-f", "{{.Id}}", image], "docker is missing") === null
      )
        fail(`Docker has no image ${image}: npm run images first`);
    kind("load", "docker-image", "--name", name, ...IMAGES);
    process.stdout.write(`${IMAGES.length} images are on every node of ${name}.\n`);
  },
  down() {
    kind("delete", "cluster", "--name", name);
  },
};

const command = commands[process.argv[2]];
if (!command) fail("usage: kind.mjs up|load|down");
const clusters = lines(
  "kind",
  ["get", "clusters"],
  "kind is missing: https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
);
if (clusters === null)
  fail("kind cannot reach Docker (`docker version`). Install or start it first.");
command();
