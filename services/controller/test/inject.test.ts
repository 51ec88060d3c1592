import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Container, Pod, PodSpec } from "../src/pods/types.ts";
import { inject } from "../src/webhook/inject.ts";
import { answerReview, ReviewInvalid } from "../src/webhook/review.ts";
import { applyJsonPatch, type JsonOperation } from "./memory-api.ts";

const recorded = () =>
  JSON.parse(readFileSync(new URL("fixtures/review-pod.json", import.meta.url), "utf8")) as {
    request: { uid: string; object: Pod };
  };

function pod(annotations: Record<string, string>, spec: Partial<PodSpec> = {}): Pod {
  return {
    metadata: { name: "p", annotations },
    spec: { containers: [{ name: "web", image: "x" }], ...spec },
  };
}

function injected(before: Pod): Pod {
  const outcome = inject(before);
  if (outcome.outcome !== "guest") throw new Error(`it is ${JSON.stringify(outcome)}`);
  return applyJsonPatch(before, outcome.patch as JsonOperation[]);
}

const OUTSOURCED = { "outsock.dev/mode": "outsourced" };
const MOUNT = { name: "outsock", mountPath: "/run/outsock", readOnly: true };

describe("a pod is made", () => {
  test("recorded review of a Deployment's pod, it asks for outsourced, it gets volume, mount and variables", () => {
    const { request } = recorded();
    const { review } = answerReview(recorded());
    expect(review.response).toMatchObject({
      uid: request.uid,
      allowed: true,
      patchType: "JSONPatch",
    });
    const patch = JSON.parse(Buffer.from(review.response.patch!, "base64").toString());
    const after = applyJsonPatch(request.object, patch as JsonOperation[]);
    expect(after.spec.volumes?.at(-1)).toEqual({
      name: "outsock",
      csi: { driver: "shm.outsock.dev" },
    });
    const [web] = after.spec.containers;
    expect(web?.volumeMounts?.at(-1)).toEqual(MOUNT);
    expect(web?.volumeMounts).toHaveLength(
      request.object.spec.containers[0]!.volumeMounts!.length + 1,
    );
    expect(web?.env).toEqual([
      { name: "NODE_OPTIONS", value: "--require /run/outsock/runtime/runtime.cjs" },
      {
        name: "OUTSOCK_GUEST",
        value: '{"agent":"/run/outsock/agent/agent.sock","pod":true,"container":"web"}',
      },
    ]);
    expect(after.metadata.annotations?.["outsock.dev/status"]).toBe("outsourced");
  });

  test.each<[string, Pod]>([
    ["no annotation", pod({})],
    ["native", pod({ "outsock.dev/mode": "native" })],
    [
      "opted out",
      {
        ...pod(OUTSOURCED),
        metadata: { annotations: OUTSOURCED, labels: { "outsock.dev/inject": "disabled" } },
      },
    ],
  ])("%s, it is untouched", (_, one) => {
    expect(inject(one)).toEqual({ outcome: "untouched" });
  });

  test("an unknown mode, it is refused with the modes that there are", () => {
    expect(inject(pod({ "outsock.dev/mode": "turbo" }))).toEqual({
      outcome: "refused",
      message: 'annotation outsock.dev/mode: "turbo" is no mode; it may be native or outsourced',
    });
  });

  test("the shortcut is switched off, the guest is told", () => {
    const after = injected(pod({ ...OUTSOURCED, "outsock.dev/no-shortcut": "true" }));
    const guest = after.spec.containers[0]?.env?.find(({ name }) => name === "OUTSOCK_GUEST");
    expect(JSON.parse(guest!.value!)).toMatchObject({ shortcut: false });
    expect(inject(pod({ ...OUTSOURCED, "outsock.dev/no-shortcut": "yes" })).outcome).toBe(
      "refused",
    );
  });

  test("containers are chosen by name, an init container too, the others stay as they are", () => {
    const containers = [
      { name: "a" },
      { name: "b", env: [{ name: "X", value: "1" }] },
      { name: "c" },
    ];
    const initContainers = [{ name: "i" }, { name: "j" }];
    const after = injected(
      pod({ ...OUTSOURCED, "outsock.dev/containers": "b, j,zz" }, { containers, initContainers }),
    );
    expect(after.spec.containers[0]).toEqual({ name: "a" });
    expect(after.spec.containers[2]).toEqual({ name: "c" });
    expect(after.spec.initContainers?.[0]).toEqual({ name: "i" });
    expect(after.spec.containers[1]?.volumeMounts).toEqual([MOUNT]);
    expect(after.spec.initContainers?.[1]?.volumeMounts).toEqual([MOUNT]);
    expect(after.metadata.annotations?.["outsock.dev/status"]).toBe(
      "outsourced; no container is called zz",
    );
  });

  test("without a choice, init containers stay as they are", () => {
    const after = injected(pod(OUTSOURCED, { initContainers: [{ name: "i" }] }));
    expect(after.spec.initContainers).toEqual([{ name: "i" }]);
  });

  test.each<[string, Pod, string]>([
    [
      "a Windows pod",
      pod(OUTSOURCED, { nodeSelector: { "kubernetes.io/os": "windows" } }),
      "it is for Windows nodes",
    ],
    [
      "the node's network",
      pod(OUTSOURCED, { hostNetwork: true }),
      "it uses the node's network (hostNetwork)",
    ],
    [
      "the volume's name taken",
      pod(OUTSOURCED, { volumes: [{ name: "outsock" }] }),
      "its volume name outsock is taken",
    ],
    [
      "the path taken",
      pod(OUTSOURCED, {
        containers: [{ name: "web", volumeMounts: [{ name: "v", mountPath: "/run/outsock/x" }] }],
      }),
      "container web mounts something else at /run/outsock/x",
    ],
    [
      "no container chosen",
      pod({ ...OUTSOURCED, "outsock.dev/containers": "nope" }),
      "annotation outsock.dev/containers chooses no container: no container is called nope",
    ],
  ])("%s, it runs natively and says so", (_, one, reason) => {
    const outcome = inject(one);
    expect(outcome).toMatchObject({ outcome: "native", reason });
    const after = applyJsonPatch(one, (outcome as { patch: JsonOperation[] }).patch);
    expect(after.metadata.annotations?.["outsock.dev/status"]).toBe(`native: ${reason}`);
    expect(after.spec).toEqual(one.spec);
  });

  test("/run/outsocket and /run are other paths", () => {
    const volumeMounts = [
      { name: "v", mountPath: "/run/outsocket" },
      { name: "w", mountPath: "/run" },
    ];
    expect(inject(pod(OUTSOURCED, { containers: [{ name: "web", volumeMounts }] })).outcome).toBe(
      "guest",
    );
  });

  test("asked again, nothing changes; a container that came meanwhile becomes a guest", () => {
    const once = injected(pod(OUTSOURCED));
    expect(inject(once)).toEqual({ outcome: "guest", mode: "outsourced", patch: [] });
    once.spec.containers.push({ name: "sidecar" });
    const twice = injected(once);
    expect(twice.spec.containers[0]).toEqual(once.spec.containers[0]);
    expect(twice.spec.containers[1]?.volumeMounts).toEqual([MOUNT]);
    expect(twice.spec.volumes).toHaveLength(1);
  });

  test("any pod: the patch applies, is idempotent, and touches nothing but its own", () => {
    const container = fc.record(
      {
        name: fc.string({ unit: fc.constantFrom("a", "b", "-"), minLength: 1, maxLength: 4 }),
        env: fc.array(
          fc.record({ name: fc.constantFrom("A", "NODE_OPTIONS"), value: fc.string() }),
        ),
        volumeMounts: fc.array(
          fc.record({ name: fc.constant("v"), mountPath: fc.constantFrom("/a", "/b") }),
        ),
      },
      { requiredKeys: ["name"] },
    ) as fc.Arbitrary<Container>;
    fc.assert(
      fc.property(fc.array(container, { minLength: 1 }), fc.boolean(), (containers, volumes) => {
        const one = pod(OUTSOURCED, {
          containers,
          ...(volumes ? { volumes: [{ name: "v" }] } : {}),
        });
        const after = injected(one);
        expect(inject(after)).toMatchObject({ outcome: "guest", patch: [] });
        after.spec.containers.forEach((changed, i) => {
          const was = containers[i]!;
          expect(changed.volumeMounts).toEqual([...(was.volumeMounts ?? []), MOUNT]);
          const others = (list: Container) => list.env?.filter(({ name }) => name === "A") ?? [];
          expect(others(changed)).toEqual(others(was));
        });
      }),
    );
  });
});

describe("a body comes to the webhook", () => {
  test("anything at all: only ReviewInvalid escapes", () => {
    const review = (object: unknown) => ({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      request: { uid: "u", operation: "CREATE", kind: { kind: "Pod" }, object },
    });
    const check = (body: unknown) => {
      try {
        answerReview(body);
      } catch (error) {
        expect(error).toBeInstanceOf(ReviewInvalid);
      }
    };
    fc.assert(fc.property(fc.anything(), check));
    fc.assert(fc.property(fc.jsonValue(), (value) => check(review(value))));
    const loose = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.array(fc.jsonValue({ maxDepth: 2 })));
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("name", "env", "envFrom", "volumeMounts"), loose),
        fc.dictionary(fc.constantFrom("volumes", "initContainers", "nodeSelector", "os"), loose),
        (container, spec) =>
          check(
            review({
              metadata: { annotations: OUTSOURCED },
              spec: { ...spec, containers: [{ name: "web", ...container }] },
            }),
          ),
      ),
      { numRuns: 1000 },
    );
  });

  test("another kind of object, it is allowed untouched", () => {
    const body = recorded() as unknown as { request: { kind: { kind: string } } };
    body.request.kind.kind = "Service";
    expect(answerReview(body).review.response).toEqual({
      uid: recorded().request.uid,
      allowed: true,
    });
  });
});
