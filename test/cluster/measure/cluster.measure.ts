/**
 * npm run measure:cluster: RUBiS on the cluster of KUBECONFIG, native against outsourced in one
 * run, and what agents need. Prints a table and writes it to results/cluster.md.
 *   OUTSOCK_MEASURE_ROUNDS   rounds of each mode and placement (5)
 *   OUTSOCK_MEASURE_SECONDS  length of each (20)
 *   OUTSOCK_MEASURE_CLIENTS  emulated clients without think time (16)
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { onCluster, WORKERS } from "../cluster.ts";
import { apply, list, ROOT, run } from "../kubectl.ts";
import { deployment, IDLE, rolledOut } from "../objects.ts";
import { agentPods, ensureRelease, findRelease, guests, install, uninstall } from "../release.ts";
import { bringUp, load, reached, takeDown } from "../site.ts";
import { until } from "../until.ts";

const setting = (name: string, fallback: number): number =>
  Number(process.env[`OUTSOCK_MEASURE_${name}`] ?? fallback);
const ROUNDS = setting("ROUNDS", 5);
const SECONDS = setting("SECONDS", 20);
const CLIENTS = setting("CLIENTS", 16);
const INTERACTIONS = 10_000;
const IDLE_GUESTS = [0, 10, 50];
const IDLE_SECONDS = 20;
/** Student's t, two-sided 95 %, by degrees of freedom from 1 on. */
const T = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
const HOUR = 3_600_000;

const MEMORY = "memory.usage_in_bytes memory.current";

/** A counter of a pod's cgroup on its node (a container of kind's), version 1 or 2. */
async function cgroup(node: string, uid: string, script: string): Promise<number> {
  const folder = `find /sys/fs/cgroup -type d -name '*pod${uid}*' -o -type d -name '*pod${uid.replaceAll("-", "_")}*'`;
  return Number(
    await run("docker", [
      "exec",
      node,
      "sh",
      "-c",
      `for d in $(${folder}); do ${script}; done | head -1`,
    ]),
  );
}

/** Seconds of CPU that the pods have used. */
async function cpuOf(pods: { node: string; uid: string }[]): Promise<number> {
  const script =
    'if [ -f $d/cpuacct.usage ]; then cat $d/cpuacct.usage; elif [ -f $d/cpu.stat ]; then sed -n "s/usage_usec \\(.*\\)/\\1000/p" $d/cpu.stat; fi';
  const used = await Promise.all(pods.map(({ node, uid }) => cgroup(node, uid, script)));
  return used.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9;
}

function withInterval(values: number[], digits: number): string {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1));
  const half = n < 2 ? Number.NaN : ((T[n - 2] ?? 2) * deviation) / Math.sqrt(n);
  return `${mean.toFixed(digits)} ± ${half.toFixed(digits)}`;
}

const lines: string[] = [];
const say = (line = ""): void => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};

onCluster("measure", (place) => {
  afterAll(async () => {
    if (place.release === undefined) return;
    place.release = await ensureRelease();
    await takeDown(place.release);
    mkdirSync(`${ROOT}results`, { recursive: true });
    writeFileSync(`${ROOT}results/cluster.md`, `${lines.join("\n")}\n`);
  });

  const placed = async (which: RegExp) =>
    (await list("pods", "-n", place.release.namespace))
      .filter(({ metadata }) => which.test(metadata.name))
      .map(({ metadata, spec }) => ({ node: spec.nodeName as string, uid: metadata.uid ?? "" }));

  test(
    "from helm install to the first page",
    async () => {
      const there = await findRelease();
      if (there !== undefined) await uninstall(there);
      const began = performance.now();
      place.release = await install("--set", "rubis.enabled=true");
      await reached(place.release, async () => {});
      say(
        `From \`helm install\` to the first page of RUBiS: ${((performance.now() - began) / 1000).toFixed(1)} s`,
      );
      say();
    },
    HOUR,
  );

  test(
    "RUBiS, native against outsourced",
    async () => {
      const { release } = place;
      say(
        `| placement | mode | interactions/s | CPU ms an interaction (tiers and agents) | interactions | errors |`,
      );
      say("| --- | --- | --- | --- | --- | --- |");
      for (const placement of ["one-node", "spread"] as const) {
        const seen = { native: [], outsourced: [] } as Record<
          "native" | "outsourced",
          { rate: number; cpu: number; interactions: number; errors: number }[]
        >;
        const total = () => seen.outsourced.reduce((sum, it) => sum + it.interactions, 0);
        for (let round = 0; round < ROUNDS || total() < INTERACTIONS; round++) {
          for (const mode of round % 2 === 0
            ? (["native", "outsourced"] as const)
            : (["outsourced", "native"] as const)) {
            await bringUp(release, { mode, placement });
            // The first requests of a process are its compiler's.
            await load(release, version, 1000, CLIENTS, 30);
            const pods = await placed(/-rubis-|-agent-/);
            const before = await cpuOf(pods);
            const { interactions, errors, throughput } = await load(
              release,
              version,
              1e9,
              CLIENTS,
              SECONDS,
            );
            const cpu = ((await cpuOf(pods)) - before) / interactions;
            seen[mode].push({ rate: throughput, cpu: cpu * 1000, interactions, errors });
          }
        }
        for (const mode of ["native", "outsourced"] as const) {
          const rounds = seen[mode];
          const sum = (of: "interactions" | "errors") =>
            rounds.reduce((all, it) => all + it[of], 0);
          say(
            `| ${placement} | ${mode} | ${withInterval(
              rounds.map((it) => it.rate),
              1,
            )} | ${withInterval(
              rounds.map((it) => it.cpu),
              2,
            )} | ${sum("interactions")} | ${sum("errors")} |`,
          );
          expect(sum("errors")).toBe(0);
        }
      }
      say();
      say(
        `${ROUNDS} rounds of ${SECONDS} s, alternating, ${CLIENTS} clients without think time, 95 % intervals.`,
      );
      say();
    },
    HOUR,
  );

  test(
    "an agent with idle guests",
    async () => {
      const { namespace, release } = place;
      await takeDown(release);
      const [at = ""] = WORKERS;
      say("| idle guests of a node | agent pod's memory | agent pod's CPU |");
      say("| --- | --- | --- |");
      for (const replicas of IDLE_GUESTS) {
        await apply(
          deployment(namespace, "idle", { mode: "outsourced", script: IDLE, node: at, replicas }),
        );
        await rolledOut(namespace, "idle");
        await until(
          "all are guests",
          async () => (await guests(release, namespace)).length === replicas,
          { timeout: 300_000 },
        );
        const agent = (await agentPods(release)).find(({ spec }) => spec.nodeName === at);
        const uid = agent?.metadata.uid ?? "";
        const before = await cpuOf([{ node: at, uid }]);
        // The one place that waits for time: it measures what happens in it.
        await delay(IDLE_SECONDS * 1000);
        const cpu = ((await cpuOf([{ node: at, uid }])) - before) / IDLE_SECONDS;
        const memory = await cgroup(
          at,
          uid,
          `for f in ${MEMORY}; do [ -f $d/$f ] && cat $d/$f; done`,
        );
        say(
          `| ${replicas} | ${(memory / 1e6).toFixed(0)} MB | ${(cpu * 100).toFixed(2)} % of a core |`,
        );
      }
    },
    HOUR,
  );
});
