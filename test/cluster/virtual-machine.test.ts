/** VirtualMachines in each mode, their status, their end. */
import { expect, test } from "vitest";
import { onCluster } from "./cluster.ts";
import { apply, find, get, type KubeObject, kubectl, list } from "./kubectl.ts";
import { HELLO } from "./objects.ts";
import { until } from "./until.ts";

onCluster("virtual machine", (place) => {
  const machine = (name: string, spec: Record<string, unknown>): KubeObject => ({
    apiVersion: "outsock.dev/v1alpha1",
    kind: "VirtualMachine",
    metadata: { namespace: place.namespace, name },
    spec: {
      program: { configMap: "hello", file: "hello.cjs" },
      ports: [{ name: "http", port: 8080 }],
      readinessProbe: { tcpSocket: { port: "http" }, periodSeconds: 1 },
      securityContext: { runAsUser: 1000 },
      resources: { requests: { cpu: "5m", memory: "32Mi" } },
      ...spec,
    },
  });
  const program = (): KubeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: place.namespace, name: "hello" },
    data: { "hello.cjs": HELLO },
  });
  const status = async (name: string) => (await get("vm", name, place.namespace)).status ?? {};
  const running = (name: string, replicas: number) =>
    until(
      `${name} runs with ${replicas}`,
      async () => {
        const found = await status(name);
        return found.phase === "Running" && found.readyReplicas === replicas && found;
      },
      { state: () => status(name), timeout: 240_000 },
    );

  test.each(["outsourced", "native"])(
    "mode %s: running, with mode, node and address in kubectl get vm",
    async (mode) => {
      await apply(program(), machine(`hello-${mode}`, { mode }));
      const found = await running(`hello-${mode}`, 1);
      expect(found.mode).toBe(mode);
      const table = await kubectl(["-n", place.namespace, "get", "vm", `hello-${mode}`]);
      const [header, row] = table.trim().split("\n");
      expect(header?.split(/\s+/)).toEqual([
        ..."NAME PHASE MODE NODE ADDRESS CONNECTIONS SHORTCUT AGE".split(" "),
      ]);
      expect(row).toContain(`Running   ${mode}`);
      expect(row).toContain(found.node);
      expect(row).toContain(found.address);
    },
  );

  test("replicas by kubectl scale: up and down", async () => {
    await apply(program(), machine("scaled", { replicas: 1 }));
    await running("scaled", 1);
    const scale = (n: number) =>
      kubectl(["-n", place.namespace, "scale", "vm", "scaled", `--replicas=${n}`]);
    await scale(3);
    const three = await running("scaled", 3);
    expect(three.address.split(",")).toHaveLength(3);
    await scale(1);
    await until("one is left", async () => (await status("scaled")).replicas === 1);
  });

  test("a mode that is changed is in force after the pods were replaced", async () => {
    await apply(program(), machine("turned", { mode: "native" }));
    expect((await running("turned", 1)).mode).toBe("native");
    await apply(machine("turned", { mode: "outsourced" }));
    await until("it is outsourced", async () => (await status("turned")).mode === "outsourced");
  });

  test("deleted: its Deployment and pods go, nothing keeps it", async () => {
    const { namespace } = place;
    await apply(program(), machine("short-lived", {}));
    await running("short-lived", 1);
    await kubectl(["-n", namespace, "delete", "vm", "short-lived", "--timeout=120s"]);
    await until("no pod is left", async () => {
      const words = ["-n", namespace, "-l", "outsock.dev/virtual-machine=short-lived"];
      const left = [...(await list("pods", ...words)), ...(await list("deployments", ...words))];
      return left.length === 0;
    });
    expect(await find("vm", "short-lived", namespace)).toBeUndefined();
  });
});
