/** Kubernetes objects as the chart renders them or an example writes them, and their schemas. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv, type ValidateFunction } from "ajv";
import { parseAllDocuments } from "yaml";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const CHART = join(ROOT, "charts/outsock");
const KUBERNETES = "1.34";

interface Container {
  name: string;
  image: string;
  command?: string[];
  env?: { name: string; value?: string }[];
  ports?: { name: string; containerPort: number }[];
  securityContext?: {
    privileged?: boolean;
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    runAsNonRoot?: boolean;
    capabilities?: { drop?: string[]; add?: string[] };
    seccompProfile?: { type: string };
  };
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
}

export interface PodSpec {
  hostPID?: boolean;
  hostNetwork?: boolean;
  hostIPC?: boolean;
  securityContext?: { runAsNonRoot?: boolean; seccompProfile?: { type: string } };
  containers: Container[];
  initContainers?: Container[];
  volumes?: ({ name: string } & Record<string, unknown>)[];
  affinity?: unknown;
}

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** Of every kind as much as the tests look at. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec?: {
    replicas?: number;
    selector?: { matchLabels?: Record<string, string> } & Record<string, unknown>;
    podSelector?: { matchLabels?: Record<string, string> };
    template?: {
      metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
      spec: PodSpec;
    };
    ports?: { name: string; targetPort: string | number }[];
    ingress?: { ports?: { port: string | number }[] }[];
  } & Partial<PodSpec>;
  rules?: Rule[];
  webhooks?: Record<string, unknown>[];
}

/** Why the chart's tests cannot run; undefined when they can. */
export function whyNoHelm(): string | undefined {
  const run = spawnSync("helm", ["version", "--short"], { encoding: "utf8" });
  return run.status === 0 ? undefined : "needs helm";
}

export function helm(...args: string[]): { status: number; stdout: string; stderr: string } {
  const run = spawnSync("helm", args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  return { status: run.status ?? -1, stdout: run.stdout, stderr: run.stderr };
}

export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { merge: false })
    .map((document) => {
      if (document.errors[0]) throw document.errors[0];
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null);
}

/** What `helm template` prints for a values file of test/chart/values and further arguments. */
export function render(values: string, ...args: string[]): Manifest[] {
  const run = helm(
    ...["template", "outsock", CHART, "--namespace", "outsock-system"],
    ...["--kube-version", KUBERNETES, "--values", join(ROOT, "test/chart/values", values), ...args],
  );
  if (run.status !== 0) throw new Error(run.stderr);
  return parseManifests(run.stdout);
}

/** What `helm` says to a value that it refuses. */
export function refusal(...values: string[]): string {
  const run = helm(
    ...["template", "outsock", CHART, "--kube-version", KUBERNETES],
    ...values.flatMap((value) => ["--set", value]),
  );
  if (run.status === 0) throw new Error(`helm takes ${values.join(" ")}`);
  return run.stderr;
}

export function pods(manifests: Manifest[]): { of: string; manifest: Manifest; spec: PodSpec }[] {
  return manifests.flatMap((manifest) => {
    const of = `${manifest.kind} ${manifest.metadata.name}`;
    if (manifest.kind === "Pod") return [{ of, manifest, spec: manifest.spec as PodSpec }];
    const template = manifest.spec?.template;
    return template?.spec ? [{ of, manifest, spec: template.spec }] : [];
  });
}

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: boolean | Schema;
  [key: string]: unknown;
}

/** As the API server prunes and warns: a property that the schema does not know is refused. */
function closed(schema: Schema): Schema {
  const out: Schema = { ...schema };
  if (schema.properties) {
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, child]) => [name, closed(child)]),
    );
    if (!schema["x-kubernetes-preserve-unknown-fields"]) out.additionalProperties ??= false;
  }
  if (schema.items) out.items = closed(schema.items);
  return out;
}

interface CustomResource {
  spec: {
    group: string;
    names: { kind: string };
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[];
  };
}

/** Says what is wrong with an object by the API server's own schemas and by ours in k8s/crds. */
export class Validator {
  readonly #ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  readonly #kinds: Record<string, string>;
  readonly #custom = new Map<string, ValidateFunction>();

  constructor() {
    const file = join(ROOT, `test/chart/schemas/kubernetes-${KUBERNETES}.json`);
    const recorded = JSON.parse(readFileSync(file, "utf8"));
    this.#kinds = recorded.kinds;
    this.#ajv.addSchema({ $id: "kubernetes", $defs: recorded.$defs });
    const folder = join(ROOT, "k8s/crds");
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), "utf8");
      for (const crd of parseManifests(text) as unknown as CustomResource[])
        for (const version of crd.spec.versions) {
          const schema = closed(version.schema.openAPIV3Schema);
          schema.properties = {
            ...schema.properties,
            metadata: { $ref: "kubernetes#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" },
          };
          this.#custom.set(
            `${crd.spec.group}/${version.name}/${crd.spec.names.kind}`,
            this.#ajv.compile(schema),
          );
        }
    }
  }

  errors(manifest: Manifest): string[] {
    const type = `${manifest.apiVersion}/${manifest.kind}`;
    const name = this.#kinds[type];
    const validate =
      this.#custom.get(type) ?? (name ? this.#ajv.getSchema(`kubernetes#/$defs/${name}`) : null);
    if (!validate) return [`no schema recorded for ${type}: add it to scripts/record-schemas.mjs`];
    if (validate(manifest)) return [];
    return (validate.errors ?? []).map((error) => {
      const extra = JSON.stringify(error.params);
      return `${type} ${manifest.metadata?.name}: ${error.instancePath} ${error.message} ${extra}`;
    });
  }
}
