/** helm uninstall while annotated workloads run, and what is left behind: nothing. */
import { afterAll, expect, test } from "vitest";
import { onCluster } from "./cluster.ts";
import { apply, find, kubectl, list, run } from "./kubectl.ts";
import { deployment, fetchIn, HELLO, IDLE, pod, podReady, rolledOut, service } from "./objects.ts";
import { ensureRelease, findRelease, guests, uninstall } from "./release.ts";
import { until } from "./until.ts";

const CLUSTER_WIDE = [
  "mutatingwebhookconfigurations",
  "csidrivers",
  "clusterroles",
  "clusterrolebindings",
  "customresourcedefinitions",
];
/** Descriptors of regions and of shortcuts; memfds are named outsock-... */
const LEFT = `
  grep -h outsock /proc/mounts
  ls -l /proc/[0-9]*/fd 2>/dev/null | grep -o 'memfd:outsock[^ ]*'
  find /var/lib/outsock -mindepth 1 2>/dev/null
  ls /var/lib/kubelet/plugins_registry | grep outsock
  true`;

onCluster("uninstall", (place) => {
  afterAll(async () => {
    if (place.release !== undefined) await ensureRelease();
  }, 600_000);

  test("annotated workloads go back to native and stay up; no mount, memfd, webhook, finalizer or role is left", async () => {
    const { namespace, release } = place;
    const before = await findRelease();
    expect(before).toEqual(release);
    await apply(
      deployment(namespace, "by-template", {
        mode: "outsourced",
        script: HELLO,
        port: 8080,
        replicas: 2,
        grace: 10,
        container: { lifecycle: { preStop: { sleep: { seconds: 3 } } } },
      }),
      service(namespace, "by-template", 8080),
      deployment(namespace, "by-itself", { script: HELLO, port: 8080 }),
      pod(namespace, "client", { script: IDLE }),
      {
        apiVersion: "outsock.dev/v1alpha1",
        kind: "VirtualMachine",
        metadata: { namespace, name: "machine" },
        spec: {
          image: "node:24-bookworm-slim",
          command: ["node", "-e", IDLE],
          securityContext: { runAsUser: 1000 },
        },
      },
    );
    await kubectl([
      "-n",
      namespace,
      "annotate",
      "deployment/by-itself",
      "outsock.dev/mode=outsourced",
    ]);
    await podReady(namespace, "client");
    await until("all are guests", async () => (await guests(release, namespace)).length >= 4);
    await rolledOut(namespace, "by-template", "by-itself");

    const began = performance.now();
    await uninstall(release);
    process.stdout.write(`uninstall took ${Math.round((performance.now() - began) / 1000)} s\n`);

    await rolledOut(namespace, "by-template", "by-itself");
    const pods = (await list("pods", "-n", namespace)).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    for (const { metadata, spec } of pods) {
      const drivers = (spec.volumes ?? []).map(
        (it: { csi?: { driver: string } }) => it.csi?.driver,
      );
      expect(drivers, metadata.name).not.toContain("shm.outsock.dev");
    }
    expect(await fetchIn(namespace, "client", "http://by-template:8080/")).toMatch(/^by-template/);
    // They keep what they ask for.
    const kept = await find("deployment", "by-itself", namespace);
    expect(kept?.metadata.annotations?.["outsock.dev/mode"]).toBe("outsourced");

    for (const kind of CLUSTER_WIDE) {
      const names = (await list(kind)).map(({ metadata }) => metadata.name);
      expect(
        names.filter((name) => name.includes("outsock")),
        kind,
      ).toEqual([]);
    }
    const ours = await kubectl([
      "get",
      "all,secrets,configmaps,leases",
      "-n",
      release.namespace,
      "-o",
      "name",
    ]);
    expect(ours.split("\n").filter((name) => name.includes("outsock"))).toEqual([]);
    for (const { metadata } of await list("nodes")) {
      const left = await until(
        `${metadata.name} is clean`,
        async () => (await run("docker", ["exec", metadata.name, "sh", "-c", LEFT])).trim() === "",
        { state: () => run("docker", ["exec", metadata.name, "sh", "-c", LEFT]) },
      );
      expect(left).toBe(true);
    }
  }, 600_000);
});
