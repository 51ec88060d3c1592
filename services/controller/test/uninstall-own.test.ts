import { expect, it } from "vitest";
import type { Pod } from "../src/pods/types.ts";
import { planRelease, type Rollable, workloadId } from "../src/uninstall/plan.ts";

const pod = (namespace: string, name: string): Pod =>
  ({
    metadata: {
      name: `${name}-abc-1`,
      namespace,
      labels: { "pod-template-hash": "abc" },
      ownerReferences: [{ kind: "ReplicaSet", name: `${name}-abc`, controller: true }],
    },
    spec: { containers: [], volumes: [{ name: "outsock", csi: { driver: "shm.outsock.dev" } }] },
  }) as unknown as Pod;

const deployment = (namespace: string, name: string, asksForVolume: boolean) => {
  const rollable: Rollable = {
    kind: "Deployment",
    namespace,
    name,
    standsStill: false,
    asksForVolume,
  };
  return [workloadId("Deployment", namespace, name), rollable] as const;
};

it("a template that asks for the volume itself: stopped in the release, left alone elsewhere", () => {
  const workloads = new Map([
    deployment("outsock-system", "rubis-web", true),
    deployment("shop", "by-hand", true),
    deployment("shop", "annotated", false),
  ]);
  const pods = [
    pod("outsock-system", "rubis-web"),
    pod("shop", "by-hand"),
    pod("shop", "annotated"),
  ];
  const release = planRelease(pods, workloads, "outsock-system");
  expect(release.stop.map(({ name }) => name)).toEqual(["rubis-web"]);
  expect(release.roll.map(({ name }) => name)).toEqual(["annotated"]);
  expect(release.leave.map(({ metadata }) => metadata.name)).toEqual(["by-hand-abc-1"]);
  expect(release.evict).toEqual([]);
});
