/** The release as helm install leaves it. */
import { expect, test } from "vitest";
import { onCluster } from "./cluster.ts";
import { get, helm, list } from "./kubectl.ts";
import { agentPods, controllerPods } from "./release.ts";
import { until } from "./until.ts";

onCluster("installation", (place) => {
  test("every node has an agent that is ready, and the volume driver", async () => {
    const nodes = (await list("nodes")).map(({ metadata }) => metadata.name).toSorted();
    const agents = await agentPods(place.release);
    expect(agents.map(({ spec }): string => spec.nodeName).toSorted()).toEqual(nodes);
    for (const agent of agents) {
      expect(agent.status.containerStatuses.map((it: { ready: boolean }) => it.ready)).toEqual([
        true,
        true,
      ]);
    }
    await until("the kubelets know the driver", async () => {
      const all = await list("csinodes");
      return all.every(({ spec }) =>
        (spec.drivers ?? []).some(({ name }: { name: string }) => name === "shm.outsock.dev"),
      );
    });
  });

  test("two controllers are ready, one of them holds the lease", async () => {
    const controllers = await controllerPods(place.release);
    expect(controllers).toHaveLength(2);
    const { name, namespace } = place.release;
    const lease = await get("lease", `${name}-controller`, namespace);
    expect(controllers.map(({ metadata }) => metadata.name)).toContain(lease.spec.holderIdentity);
  });

  test("an agent has three capabilities and the one for low ports, and is not privileged", async () => {
    const [agent] = await agentPods(place.release);
    const main = agent?.spec.containers.find(({ name }: { name: string }) => name === "agent");
    expect(main.securityContext.privileged ?? false).toBe(false);
    expect(main.securityContext.capabilities).toEqual({
      add: ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "NET_BIND_SERVICE"],
      drop: ["ALL"],
    });
    expect(main.securityContext.allowPrivilegeEscalation).toBe(false);
  });

  test("NOTES say what to do next", async () => {
    const { name, namespace } = place.release;
    const notes = await helm(["get", "notes", name, "-n", namespace]);
    expect(notes).toContain(`rollout status daemonset/${name}-agent`);
    expect(notes).toContain("kubectl annotate deployment NAME outsock.dev/mode=outsourced");
    expect(notes).toContain("kubectl get vm");
  });
});
