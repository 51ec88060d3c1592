/** An annotation makes a Deployment's pods guests, and its absence lets them be. */
import { expect, test } from "vitest";
import { onCluster, WORKERS } from "./cluster.ts";
import { apply, find, kubectl, list } from "./kubectl.ts";
import { deployment, HELLO, IDLE, pod, podReady, rolledOut } from "./objects.ts";
import { guests } from "./release.ts";
import { until } from "./until.ts";

onCluster("annotated", (place) => {
  const podsOf = async (name: string) =>
    (await list("pods", "-n", place.namespace, "-l", `test=${name}`)).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
  const eventsOf = async (kind: string, name: string) => {
    const all = await list("events.v1.events.k8s.io", "-n", place.namespace);
    return all
      .filter(({ regarding }) => regarding?.kind === kind && regarding.name === name)
      .map(({ reason, note }) => `${reason}: ${note}`);
  };
  const volumes = ({ spec }: { spec?: { volumes?: { name: string }[] } }) =>
    (spec?.volumes ?? []).map(({ name }) => name);

  test("a pod template says outsourced: guests of their node's agent, an event says so", async () => {
    const { namespace } = place;
    await apply(
      deployment(namespace, "shop", { mode: "outsourced", script: HELLO, port: 8080, replicas: 2 }),
    );
    await rolledOut(namespace, "shop");
    const pods = await podsOf("shop");
    const found = await until("both are guests", async () => {
      const all = (await guests(place.release, namespace)).filter((guest) =>
        guest.pod.startsWith("shop-"),
      );
      return all.length === 2 && all;
    });
    expect(found.map(({ address }) => address).toSorted()).toEqual(
      pods.map(({ status }): string => status.podIP).toSorted(),
    );
    const [first] = pods;
    expect(first?.metadata.annotations?.["outsock.dev/status"]).toBe("outsourced");
    const name = first?.metadata.name ?? "";
    await until("the event", async () =>
      (await eventsOf("Pod", name)).some((it) => it.startsWith("Injected")),
    );
  });

  test("a pod template says native: nothing is injected", async () => {
    const { namespace } = place;
    await apply(deployment(namespace, "plain", { mode: "native", script: HELLO, port: 8080 }));
    await rolledOut(namespace, "plain");
    const [only] = await podsOf("plain");
    expect(volumes(only ?? {})).toEqual([]);
    expect(only?.spec.containers[0].env).toBeUndefined();
    expect(await guests(place.release, namespace)).not.toContainEqual(
      expect.objectContaining({ pod: only?.metadata.name }),
    );
  });

  test("annotating a running Deployment rolls it to guests, taking it away rolls it back", async () => {
    const { namespace } = place;
    await apply(deployment(namespace, "turn", { script: HELLO, port: 8080 }));
    await rolledOut(namespace, "turn");
    const annotate = (word: string) =>
      kubectl(["-n", namespace, "annotate", "deployment", "turn", word]);
    const pods = async () => (await podsOf("turn")).map((it) => volumes(it).includes("outsock"));
    await annotate("outsock.dev/mode=outsourced");
    await until("guests only", async () => (await pods()).join() === "true");
    await rolledOut(namespace, "turn");
    await annotate("outsock.dev/mode-");
    await until("natives only", async () => (await pods()).join() === "false");
    await rolledOut(namespace, "turn");
  });

  test("the label inject=disabled: untouched", async () => {
    const { namespace } = place;
    const labels = { "outsock.dev/inject": "disabled" };
    await apply(pod(namespace, "left-alone", { mode: "outsourced", script: IDLE, labels }));
    await podReady(namespace, "left-alone");
    const found = await find("pod", "left-alone", namespace);
    expect(volumes(found ?? {})).toEqual([]);
  });

  test("what cannot be a guest runs untouched, and an event says why", async () => {
    const { namespace } = place;
    const options = {
      mode: "outsourced" as const,
      script: IDLE,
      container: { volumeMounts: [{ name: "mine", mountPath: "/run/outsock" }] },
      spec: {},
    };
    const made = pod(namespace, "taken", options);
    made.spec.volumes = [{ name: "mine", emptyDir: {} }];
    await apply(made);
    await podReady(namespace, "taken");
    const note = await until("the event", async () =>
      (await eventsOf("Pod", "taken")).find((it) => it.startsWith("Native")),
    );
    expect(note).toContain("mounts something else at /run/outsock");
    const found = await find("pod", "taken", namespace);
    expect(found?.metadata.annotations?.["outsock.dev/status"]).toMatch(/^native: /);
  });

  test("a mode that does not exist is refused, with those that do", async () => {
    const { namespace } = place;
    const made = pod(namespace, "odd", {
      script: IDLE,
      annotations: { "outsock.dev/mode": "magic" },
    });
    await expect(apply(made)).rejects.toThrow(/"magic" is no mode; it may be .*outsourced/);
  });

  test("two chosen of three containers: those two are guests", async () => {
    const { namespace } = place;
    const script = (port: number) => HELLO.replace("8080", String(port));
    const made = pod(namespace, "several", {
      mode: "outsourced",
      script: script(8081),
      annotations: { "outsock.dev/containers": "main,second" },
      ...(WORKERS[0] ? { node: WORKERS[0] } : {}),
    });
    const [main] = made.spec.containers;
    for (const [i, name] of ["second", "third"].entries()) {
      made.spec.containers.push({ ...main, name, command: ["node", "-e", script(8082 + i)] });
    }
    await apply(made);
    await podReady(namespace, "several");
    const found = await until("two are guests", async () => {
      const all = (await guests(place.release, namespace)).filter((it) => it.pod === "several");
      return all.length === 2 && all;
    });
    expect(found.map((it) => it.container).toSorted()).toEqual(["main", "second"]);
  });
});
