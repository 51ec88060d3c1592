// Records the API server's own schemas (OpenAPI v3) of the kinds that the chart and the examples
// use, without descriptions, into test/chart/schemas: so the tests need no cluster.
//   KUBECONFIG=... node scripts/record-schemas.mjs
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const target = join(dirname(fileURLToPath(import.meta.url)), "../test/chart/schemas");

const KINDS = {
  v1: [
    "ConfigMap",
    "Namespace",
    "PersistentVolumeClaim",
    "Pod",
    "Secret",
    "Service",
    "ServiceAccount",
  ],
  "admissionregistration.k8s.io/v1": ["MutatingWebhookConfiguration"],
  "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
  "apps/v1": ["DaemonSet", "Deployment", "StatefulSet"],
  "batch/v1": ["Job"],
  "coordination.k8s.io/v1": ["Lease"],
  "networking.k8s.io/v1": ["NetworkPolicy"],
  "policy/v1": ["PodDisruptionBudget"],
  "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
  "storage.k8s.io/v1": ["CSIDriver"],
};

function get(path) {
  const run = spawnSync("kubectl", ["get", "--raw", path], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (run.status !== 0) throw new Error(run.stderr || String(run.error));
  return JSON.parse(run.stdout);
}

const REFERENCE = "#/components/schemas/";

/** A schema without prose, that refuses properties it does not know. */
function trimmed(schema) {
  if (Array.isArray(schema)) return schema.map(trimmed);
  if (schema === null || typeof schema !== "object") return schema;
  const out = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties")
      out.properties = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, trimmed(v)]));
    else if (key === "$ref") out.$ref = value.replace(REFERENCE, "#/$defs/");
    else if (!["description", "default", "format"].includes(key) && !key.startsWith("x-"))
      out[key] = trimmed(value);
  }
  if (out.properties && !out.additionalProperties) out.additionalProperties = false;
  return out;
}

const definitions = {};
const kinds = {};
for (const [apiVersion, names] of Object.entries(KINDS)) {
  const path = apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`;
  const { schemas } = get(`/openapi/v3/${path}`).components;
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const take = (name) => {
    if (definitions[name]) return;
    definitions[name] = trimmed(schemas[name]);
    for (const [, other] of JSON.stringify(definitions[name]).matchAll(/"#\/\$defs\/([^"]+)"/g))
      take(other);
  };
  for (const kind of names) {
    const found = Object.entries(schemas).find(([, schema]) =>
      schema["x-kubernetes-group-version-kind"]?.some(
        (gvk) => gvk.group === group && gvk.version === version && gvk.kind === kind,
      ),
    );
    if (!found) throw new Error(`this API server has no ${apiVersion} ${kind}`);
    kinds[`${apiVersion}/${kind}`] = found[0];
    take(found[0]);
  }
}
const { major, minor } = get("/version");
const file = join(target, `kubernetes-${major}.${Number.parseInt(minor, 10)}.json`);
const sorted = Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify({ kinds, $defs: sorted })}\n`);
process.stdout.write(`${Object.keys(sorted).length} definitions in ${file}\n`);
