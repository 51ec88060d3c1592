/** Before all cluster tests: is there a cluster? Then its images. After them: what this installed goes. */
import type { TestProject } from "vitest/node";
import { buildImages, buildTestImages, hasMusl, load } from "./images.ts";
import { kubectl, list, run } from "./kubectl.ts";
import { findRelease, restart, uninstall } from "./release.ts";

async function whyNoCluster(): Promise<string> {
  if (!process.env.KUBECONFIG) return "KUBECONFIG names no cluster";
  for (const [command, ...args] of [
    ["kubectl", "version", "--client"],
    ["helm", "version"],
    ["docker", "version"],
  ] as [string, ...string[]][]) {
    try {
      await run(command, args, { timeout: 30_000 });
    } catch {
      return `${command} is missing or does not work`;
    }
  }
  try {
    await kubectl(["get", "--raw", "/readyz"], { timeout: 30_000 });
  } catch (error) {
    return `the cluster of KUBECONFIG does not answer: ${String(error).slice(0, 300)}`;
  }
  return "";
}

export default async function setup(
  project: TestProject,
): Promise<(() => Promise<void>) | undefined> {
  const why = await whyNoCluster();
  project.provide("noCluster", why);
  if (why !== "") {
    project.provide("workers", []);
    project.provide("musl", false);
    process.stdout.write(`cluster tests are skipped: ${why}\n`);
    return undefined;
  }
  const nodes = await list("nodes", "-l", "!node-role.kubernetes.io/control-plane");
  project.provide(
    "workers",
    nodes.map(({ metadata }) => metadata.name),
  );
  if (!process.env.OUTSOCK_E2E_SKIP_IMAGES) {
    await buildImages();
    await load(await buildTestImages());
  }
  project.provide("musl", await hasMusl());
  const there = await findRelease();
  if (there === undefined) {
    return async () => {
      const made = await findRelease();
      if (made !== undefined && !process.env.OUTSOCK_E2E_KEEP) await uninstall(made);
    };
  }
  if (!process.env.OUTSOCK_E2E_SKIP_IMAGES) await restart(there);
  return undefined;
}
