/**
 * What a test file has: the release, a namespace of its own that enforces Pod Security
 * `restricted`, and, when a test fails, a look at what happened in both.
 */
import { afterAll, afterEach, beforeAll, describe, inject } from "vitest";
import { apply, kubectl } from "./kubectl.ts";
import { ensureRelease, type Release } from "./release.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Why there is no cluster to test on; empty: there is one. */
    noCluster: string;
    workers: string[];
    /** Whether there is an image with musl. */
    musl: boolean;
  }
}

const why = inject("noCluster");
/** Nodes that pods may be put on. */
export const WORKERS = inject("workers");

export interface Place {
  readonly release: Release;
  readonly namespace: string;
}

const LOG_LINES = 25;

async function show(title: string, words: string[], last = 60): Promise<void> {
  const text = await kubectl(words, { timeout: 30_000 }).catch((error: Error) => error.message);
  const lines = text.trimEnd().split("\n");
  process.stderr.write(`--- ${title}\n${lines.slice(-last).join("\n").slice(-12_000)}\n`);
}

async function showAll({ release, namespace }: Place): Promise<void> {
  const here = ["-n", namespace];
  await show("pods", ["get", "pods", ...here, "-o", "wide"]);
  await show("events", ["get", "events", ...here, "--sort-by=.metadata.creationTimestamp"], 40);
  await show("logs of pods", [
    "logs",
    ...here,
    "-l",
    "test",
    "--prefix",
    "--tail=8",
    "--all-containers",
  ]);
  const there = ["-n", release.namespace];
  await show("release", ["get", "pods", ...there, "-o", "wide"]);
  for (const part of ["agent", "controller"]) {
    const of = ["-l", `app.kubernetes.io/component=${part}`, "--prefix", "--all-containers"];
    await show(`logs of ${part}`, ["logs", ...there, ...of, `--tail=${LOG_LINES}`], 80);
  }
}

/** A group of tests on the cluster, in a namespace of its own. */
export function onCluster(name: string, tests: (place: Place) => void): void {
  describe.skipIf(why !== "")(why === "" ? name : `${name} (skipped: ${why})`, () => {
    const namespace = `e2e-${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`.slice(0, 50);
    const place = { release: undefined as unknown as Release, namespace };
    beforeAll(async () => {
      place.release = await ensureRelease();
      // What a run that was ended left behind.
      await kubectl(["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"], {
        timeout: 200_000,
      });
      await apply({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: {
          name: namespace,
          labels: { "pod-security.kubernetes.io/enforce": "restricted" },
        },
      });
    }, 600_000);
    afterEach(async ({ task }) => {
      if (task.result?.state === "fail") await showAll(place);
    }, 120_000);
    // Waits: a guest's pod that would hang in Terminating fails here.
    afterAll(async () => {
      await kubectl(["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"], {
        timeout: 200_000,
      });
    }, 240_000);
    tests(place);
  });
}
