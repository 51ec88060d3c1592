import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MODES } from "@outsock/abi";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import {
  CHART,
  helm,
  type Manifest,
  type PodSpec,
  pods,
  ROOT,
  refusal,
  render,
  Validator,
  whyNoHelm,
} from "./manifests.ts";
import { restrictedViolations } from "./pod-security.ts";

const VALUES = readdirSync(join(ROOT, "test/chart/values"));
const why = whyNoHelm();

test("values.yaml and k8s/crds, compared with what the chart made of them: current", () => {
  const run = spawnSync(process.execPath, ["scripts/chart.mjs", "--check"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(run.stderr).toBe("");
});

test("the chart's version is the project's", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const chart = readFileSync(join(CHART, "Chart.yaml"), "utf8");
  expect(chart).toContain(`\nversion: ${version}\n`);
  expect(chart).toContain(`\nappVersion: ${version}\n`);
});

test("the modes that the chart takes are those of the project", () => {
  const schema = JSON.parse(readFileSync(join(CHART, "values.schema.json"), "utf8"));
  expect(schema.properties.rubis.properties.mode.enum.toSorted()).toEqual([...MODES].toSorted());
});

describe.skipIf(why)(`chart${why ? ` (${why})` : ""}`, () => {
  const validator = why ? undefined : new Validator();
  const rendered = (values: string, ...args: string[]) => render(values, ...args);

  test("helm lint finds nothing", () => {
    const run = helm("lint", "--strict", CHART);
    expect(run.stdout).toContain("0 chart(s) failed");
    expect(run.stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
  });

  test.each(VALUES)("%s rendered: every object fits the API server's schema", (values) => {
    const manifests = rendered(values);
    expect(manifests.length).toBeGreaterThan(10);
    expect(manifests.flatMap((manifest) => validator!.errors(manifest))).toEqual([]);
  });

  test.each(VALUES)("%s rendered: names are unique and namespaced objects say where", (values) => {
    const CLUSTER = /^(ClusterRole|CSIDriver|CustomResource|MutatingWebhook)/;
    const manifests = rendered(values);
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    for (const { kind, metadata } of manifests)
      expect([kind, metadata.name, metadata.namespace]).toEqual([
        kind,
        metadata.name,
        CLUSTER.test(kind) ? undefined : "outsock-system",
      ]);
  });

  test.each(VALUES)(
    "%s rendered: no right has a wildcard, Secrets and webhooks go by name",
    (values) => {
      for (const { metadata, rules = [] } of rendered(values))
        for (const rule of rules) {
          const all = [...(rule.apiGroups ?? []), ...(rule.resources ?? []), ...rule.verbs];
          expect([metadata.name, all.filter((word) => word.includes("*"))]).toEqual([
            metadata.name,
            [],
          ]);
          if (rule.resources?.some((r) => /^(secrets|leases|mutatingwebhook)/.test(r)))
            expect(rule.resourceNames?.length).toBeGreaterThan(0);
        }
    },
  );

  test.each(VALUES)("%s rendered: every pod but the agent's is of level restricted", (values) => {
    const found = pods(rendered(values)).filter(({ manifest }) => manifest.kind !== "DaemonSet");
    expect(found.length).toBeGreaterThan(0);
    for (const { of, spec } of found) expect([of, restrictedViolations(spec)]).toEqual([of, []]);
  });

  test.each(VALUES)(
    "%s rendered: the agent has four capabilities, csi alone is privileged",
    (values) => {
      const [agents] = rendered(values).filter(({ kind }) => kind === "DaemonSet");
      const [agent, csi] = agents?.spec?.template?.spec.containers ?? [];
      expect(agent?.securityContext?.capabilities).toEqual({
        drop: ["ALL"],
        add: ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "NET_BIND_SERVICE"],
      });
      expect(agent?.securityContext?.privileged).toBeUndefined();
      expect(csi?.securityContext?.privileged).toBe(true);
    },
  );

  test.each(VALUES)(
    "%s rendered: Services and policies name pods and ports that are there",
    (values) => {
      const manifests = rendered(values);
      const templates = pods(manifests).map(({ manifest, spec }) => ({
        labels: manifest.spec?.template?.metadata.labels ?? {},
        ports: spec.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name)),
      }));
      const chosen = (labels: Record<string, string>) =>
        templates.filter((template) =>
          Object.entries(labels).every(([name, value]) => template.labels[name] === value),
        );
      for (const { kind, metadata, spec } of manifests) {
        const labels =
          kind === "Service"
            ? (spec?.selector as Record<string, string>)
            : kind === "NetworkPolicy"
              ? spec?.podSelector?.matchLabels
              : undefined;
        if (!labels) continue;
        const found = chosen(labels);
        expect([kind, metadata.name, found.length]).toEqual([kind, metadata.name, 1]);
        const wanted =
          kind === "Service"
            ? spec?.ports?.map(({ targetPort }) => targetPort)
            : spec?.ingress?.flatMap(({ ports = [] }) => ports.map(({ port }) => port));
        for (const port of wanted ?? []) expect(found[0]?.ports).toContain(port);
      }
    },
  );

  test.each(VALUES)(
    "%s rendered: selectors say no version, so that upgrades can change it",
    (values) => {
      for (const { kind, spec } of rendered(values))
        if (kind === "Deployment" || kind === "DaemonSet")
          expect(Object.keys(spec?.selector?.matchLabels ?? {}).sort()).toEqual([
            "app.kubernetes.io/component",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/name",
          ]);
    },
  );

  const tier = (manifests: Manifest[], name: string): PodSpec =>
    manifests.find(
      ({ kind, metadata }) => kind === "Deployment" && metadata.name === `outsock-rubis-${name}`,
    )?.spec?.template?.spec as PodSpec;

  test("RUBiS outsourced: every tier has the runtime, its own name and the volume", () => {
    const manifests = rendered("rubis-one-node.yaml");
    for (const name of ["web", "app", "db"]) {
      const { containers, volumes } = tier(manifests, name);
      const env = Object.fromEntries(containers[0]?.env?.map((e) => [e.name, e.value]) ?? []);
      expect(env.NODE_OPTIONS).toBe("--require /run/outsock/runtime/runtime.cjs");
      expect(JSON.parse(env.OUTSOCK_GUEST ?? "")).toEqual({
        agent: "/run/outsock/agent/agent.sock",
        pod: true,
        container: name,
      });
      expect(volumes).toContainEqual({
        name: "outsock",
        csi: { driver: "shm.outsock.dev" },
      });
    }
  });

  test("RUBiS native: nothing of Outsock is in its pods", () => {
    const text = ["web", "app"]
      .map((name) => JSON.stringify(tier(rendered("rubis-spread-native.yaml"), name)))
      .join();
    expect(text).not.toMatch(/NODE_OPTIONS|OUTSOCK_GUEST|shm\.outsock\.dev/);
  });

  test("RUBiS with a database of its own: no database tier is deployed", () => {
    const names = rendered("rubis-spread-native.yaml").map(({ metadata }) => metadata.name);
    expect(names.filter((name) => name.includes("rubis-db"))).toEqual([]);
  });

  test("RUBiS spread: the application tier keeps off the nodes of the others", () => {
    const affinity = (name: string) =>
      JSON.stringify(tier(rendered("rubis-spread-native.yaml"), name).affinity);
    expect(affinity("app")).toContain('"values":["rubis-web","rubis-db"]');
    expect(affinity("web")).toContain('"values":["rubis-app"]');
  });

  test("registry, prefix and tag given: all images have them, a whole reference wins", () => {
    const images = pods(rendered("images.yaml")).flatMap(({ spec }) =>
      spec.containers.map(({ image }) => image),
    );
    expect([...new Set(images)].sort()).toEqual([
      "registry.example.org/agent@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "registry.example.org:5000/mirror/outsock/controller:1.2.3",
      "registry.example.org:5000/mirror/outsock/rubis-app:1.2.3",
      "registry.example.org:5000/mirror/outsock/rubis-db:1.2.3",
      "registry.example.org:5000/mirror/outsock/rubis-web:1.2.3",
    ]);
  });

  test("parts turned off: their objects are not there", () => {
    const kinds = (values: string) => rendered(values).map(({ kind }) => kind);
    const none = kinds("no-webhook.yaml");
    for (const kind of [
      "MutatingWebhookConfiguration",
      "CustomResourceDefinition",
      "Job",
      "PodDisruptionBudget",
    ])
      expect(none).not.toContain(kind);
    expect(kinds("no-policies.yaml")).not.toContain("NetworkPolicy");
  });

  test("crds.keep: the resource is left behind at uninstall, otherwise it goes", () => {
    const annotations = (values: string) =>
      rendered(values).find(({ kind }) => kind === "CustomResourceDefinition")?.metadata
        .annotations;
    expect(annotations("no-policies.yaml")?.["helm.sh/resource-policy"]).toBe("keep");
    expect(annotations("default.yaml")?.["helm.sh/resource-policy"]).toBeUndefined();
  });

  test("the hook and the controller are told what the release keeps and leaves out", () => {
    const said = (values: string, name: string) =>
      pods(rendered(values))
        .flatMap(({ spec }) => spec.containers.flatMap(({ env = [] }) => env))
        .filter((variable) => variable.name === name)
        .map(({ value }) => value);
    expect(new Set(said("default.yaml", "OUTSOCK_KEEP_VIRTUAL_MACHINES"))).toEqual(
      new Set(["false"]),
    );
    expect(new Set(said("no-policies.yaml", "OUTSOCK_KEEP_VIRTUAL_MACHINES"))).toEqual(
      new Set(["true"]),
    );
    // Without the resource in the release, Helm does not take it away.
    expect(new Set(said("no-webhook.yaml", "OUTSOCK_KEEP_VIRTUAL_MACHINES"))).toEqual(
      new Set(["true"]),
    );
    expect(said("default.yaml", "OUTSOCK_EXCLUDED_NAMESPACES")[0]).toBe(
      "kube-system,outsock-system,kube-node-lease,kube-public",
    );
  });

  test("no right that the controller or the hook does not use: nobody may get what is only listed", () => {
    const rights = rendered("default.yaml")
      .filter(({ kind }) => kind === "ClusterRole")
      .map(({ metadata, rules = [] }) => [
        metadata.name,
        rules.map(({ resources = [], verbs }) => `${resources.join()}: ${verbs.join()}`),
      ]);
    expect(Object.fromEntries(rights)).toEqual({
      "outsock-system-outsock-controller": [
        "virtualmachines: list,watch,patch",
        "virtualmachines/status: patch",
        "virtualmachines/finalizers: update",
        "deployments: list,watch,create,patch,delete",
        "statefulsets,daemonsets: list,watch,patch",
        "pods: list,watch",
        "namespaces: get",
        "events: create,patch",
        "mutatingwebhookconfigurations: get,patch",
      ],
      "outsock-system-outsock-uninstall": [
        "mutatingwebhookconfigurations: delete",
        "deployments,statefulsets,daemonsets: list,patch",
        "pods: list",
        "pods/eviction: create",
        "virtualmachines: list,patch",
        "virtualmachines/status: patch",
      ],
    });
  });

  test("the certificates' Secret and the webhook: no content that an upgrade would put back", () => {
    const manifests = rendered("default.yaml");
    const secret = manifests.find(({ kind }) => kind === "Secret") as object;
    expect(Object.keys(secret)).not.toContain("data");
    expect(JSON.stringify(manifests)).not.toContain("caBundle");
  });

  test.each([
    ["rubis.mode=virtual", "'/rubis/mode': value must be one of 'outsourced', 'native'"],
    ["rubis.placement=here", "value must be one of 'one-node', 'spread'"],
    ["agent.prot=1", "'/agent': additional properties 'prot' not allowed"],
    ["controller.replicas=0", "'/controller/replicas': minimum: got 0, want 1"],
    ["webhook.timeoutSeconds=60", "'/webhook/timeoutSeconds': maximum: got 60, want 30"],
    [
      "agent.image=a b",
      'agent.image must be a whole image reference such as registry.example.org/outsock/agent:0.1.0, not "a b"',
    ],
    ["agent.hostDirectory=var/", "agent.hostDirectory must be an absolute path"],
    ["rubis.service.nodePort=30080", "rubis.service.nodePort needs rubis.service.type=NodePort"],
    ["rubis.now=yesterday", "rubis.now must be a time in ISO 8601"],
    ["rubis.now=2025-13-45", "rubis.now must be a time in ISO 8601"],
    ["image.registry=https://registry.example.org", "image.registry must be a host"],
    ["image.prefix=Outsock", "image.prefix must be of small letters"],
    [
      "guest.image=registry.example.org/Outsock/guest:1",
      "guest.image must be a whole image reference",
    ],
    ["agent.hostDirectory=/var/../lib", "agent.hostDirectory must be an absolute path without .."],
    [
      "webhook.excludedNamespaces={BAD NS}",
      "'/webhook/excludedNamespaces/0': 'BAD NS' does not match",
    ],
    ["rubis.db.scale=0.0", "rubis.db.scale must be more than 0 and at most 1000"],
    ["agent=null", "missing property 'agent'"],
  ])("%s given: refused with the place and what it may be", (value, message) => {
    expect(refusal(value)).toContain(message);
  });

  test("rubis.db.scale a fraction, which --set makes a text of: taken", () => {
    const { containers } = tier(
      rendered("rubis-one-node.yaml", "--set", "rubis.db.scale=0.1"),
      "db",
    );
    expect(containers[0]?.env).toContainEqual({ name: "RUBIS_SCALE", value: "0.1" });
  });

  /** Helm renders notes only towards a cluster, so a copy of the chart has them as an object. */
  const notes = (...args: string[]): string => {
    const copy = mkdtempSync(join(tmpdir(), "outsock-chart-"));
    onTestFinished(() => rmSync(copy, { recursive: true }));
    cpSync(CHART, copy, { recursive: true });
    renameSync(join(copy, "templates/NOTES.txt"), join(copy, "notes.tpl"));
    writeFileSync(
      join(copy, "templates/notes.yaml"),
      '{{ dict "kind" "Notes" "text" (tpl (.Files.Get "notes.tpl") .) | toYaml }}',
    );
    const shown = ["--show-only", "templates/notes.yaml", "--kube-version", "1.34"];
    const run = helm("template", "outsock", copy, "--namespace", "ns", ...shown, ...args);
    return parse(run.stdout).text;
  };

  test("installed: the notes say what to do next", () => {
    expect(notes()).toContain("kubectl -n ns rollout status daemonset/outsock-agent");
    expect(notes()).toContain("--set rubis.enabled=true");
    expect(notes("--set", "rubis.enabled=true")).toContain(
      "kubectl -n ns port-forward service/outsock-rubis-web 8080:80",
    );
    expect(notes()).toContain("VirtualMachines and their pods too");
    expect(notes("--set", "crds.keep=true")).toContain(
      "VirtualMachines stay, as ordinary Deployments",
    );
    expect(notes("--set", "webhook.enabled=false")).toContain("The webhook is off");
  });
});
