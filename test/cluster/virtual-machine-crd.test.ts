import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { ensureRelease } from "./release.ts";

function kubectl(args: string[], input?: unknown) {
  const run = spawnSync("kubectl", args, {
    encoding: "utf8",
    input: input === undefined ? "" : JSON.stringify(input),
  });
  if (run.error) throw run.error;
  return { code: run.status, text: run.stdout + run.stderr };
}

/** What the API server says to a VirtualMachine of this specification; nothing is stored. */
function ask(spec: object, name = "asked") {
  return kubectl(["create", "--dry-run=server", "-o", "json", "-f", "-"], {
    apiVersion: "outsock.dev/v1alpha1",
    kind: "VirtualMachine",
    metadata: { name, namespace: "default" },
    spec,
  });
}

const why = inject("noCluster");

describe.skipIf(why !== "")(
  `VirtualMachines before the API server${why && ` (skipped: ${why})`}`,
  () => {
    beforeAll(async () => {
      // The resource is the release's: Helm takes none that somebody else made.
      await ensureRelease();
    });

    test("an image alone, the defaults are filled in", () => {
      const { code, text } = ask({ image: "shop:1" });
      expect(text).toContain('"mode": "outsourced"');
      expect(JSON.parse(text)).toMatchObject({ spec: { replicas: 1, shortcut: true } });
      expect(code).toBe(0);
    });

    test("a program with everything around it, it is taken", () => {
      const { text, code } = ask({
        program: { volume: "v", file: "dist/main.js" },
        args: ["--verbose"],
        env: [{ name: "A", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }],
        envFrom: [{ prefix: "X_", configMapRef: { name: "c" } }],
        ports: [
          { name: "http", port: 80 },
          { name: "dns", port: 80, protocol: "UDP" },
        ],
        resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: 1000000000 } },
        nodeSelector: { zone: "a" },
        tolerations: [{ key: "k", operator: "Exists" }],
        affinity: { podAntiAffinity: {} },
        volumes: [{ name: "v", persistentVolumeClaim: { claimName: "p" } }],
        volumeMounts: [{ name: "v", mountPath: "/data" }],
        securityContext: { runAsUser: 1000 },
        readinessProbe: { httpGet: { path: "/", port: "http" } },
        livenessProbe: { tcpSocket: { port: 80 } },
      });
      expect(text).not.toContain("unknown field");
      expect(code).toBe(0);
    });

    const port = (name: string, number: number) => ({ name, port: number });
    test.each<[string, object, RegExp]>([
      ["nothing to run", {}, /give exactly one of image .* and program/],
      [
        "image and program",
        { image: "x", program: { configMap: "c", file: "a.js" } },
        /give exactly one of image .* and program/,
      ],
      [
        "a command for a program",
        { command: ["a"], program: { configMap: "c", file: "a.js" } },
        /command goes with image/,
      ],
      [
        "a program from two places",
        { program: { configMap: "c", volume: "v", file: "a.js" } },
        /a program comes from exactly one of configMap .* and volume/,
      ],
      [
        "a program from a volume that is not there",
        { program: { volume: "v", file: "a.js" } },
        /program.volume names no volume of spec.volumes/,
      ],
      ["a file outside", { program: { configMap: "c", file: "../a.js" } }, /contains no \.\./],
      [
        "an unknown mode",
        { image: "x", mode: "turbo" },
        /supported values: "native", "outsourced"/,
      ],
      [
        "two ports of one name",
        { image: "x", ports: [port("a", 1), port("a", 2)] },
        /two ports have the same name/,
      ],
      [
        "the same port twice",
        { image: "x", ports: [port("a", 1), port("b", 1)] },
        /the same port number and protocol appears twice/,
      ],
      [
        "a probe of two kinds",
        { image: "x", readinessProbe: { tcpSocket: { port: 1 }, exec: { command: ["a"] } } },
        /a probe needs exactly one of httpGet, tcpSocket, exec and grpc/,
      ],
      [
        "a mount without volume",
        { image: "x", volumeMounts: [{ name: "v", mountPath: "/a" }] },
        /every volumeMount must name a volume of spec.volumes/,
      ],
      [
        "a mount where the runtime is",
        {
          image: "x",
          volumes: [{ name: "v", emptyDir: {} }],
          volumeMounts: [{ name: "v", mountPath: "/run/outsock" }],
        },
        /\/run\/outsock is where the guest runtime is mounted/,
      ],
      [
        "the volume's name taken",
        { image: "x", volumes: [{ name: "outsock", emptyDir: {} }] },
        /are taken by Outsock itself/,
      ],
      [
        "a host path",
        { image: "x", volumes: [{ name: "v", hostPath: { path: "/" } }] },
        /unknown field "spec.volumes\[0\].hostPath"|exactly one of configMap, secret, emptyDir/,
      ],
      [
        "root",
        { image: "x", securityContext: { runAsUser: 0 } },
        /runAsUser.*greater than or equal to 1/,
      ],
      [
        "a variable of Outsock's own",
        { image: "x", env: [{ name: "OUTSOCK_GUEST", value: "a" }] },
        /OUTSOCK_GUEST and OUTSOCK_NODE_OPTIONS are set by Outsock itself/,
      ],
      ["too many replicas", { image: "x", replicas: 1001 }, /less than or equal to 1000/],
    ])("%s, it is refused with a sentence that helps", (_, spec, message) => {
      const { code, text } = ask(spec);
      expect(text).toMatch(message);
      expect(code).not.toBe(0);
    });

    test("a name that is too long for its pods, it is refused", () => {
      expect(ask({ image: "x" }, "a".repeat(53)).text).toContain("at most 52 characters");
    });
  },
);
