import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Manifest, parseManifests, pods, ROOT, Validator } from "./manifests.ts";
import { restrictedViolations } from "./pod-security.ts";

const FOLDER = join(ROOT, "k8s/examples");
const FILES = readdirSync(FOLDER);
const examples = (file: string) => parseManifests(readFileSync(join(FOLDER, file), "utf8"));
const validator = new Validator();

test.each(FILES)("example %s: every object fits its schema", (file) => {
  expect(examples(file).flatMap((manifest) => validator.errors(manifest))).toEqual([]);
});

test("a manifest with a misspelt field: the schemas refuse it", () => {
  const [vm] = examples("virtual-machine.yaml").filter(({ kind }) => kind === "VirtualMachine");
  const wrong = { ...vm, spec: { ...vm?.spec, prots: [] } } as unknown as Manifest;
  expect(validator.errors(wrong)[0]).toContain('{"additionalProperty":"prots"}');
});

test.each(FILES)("example %s: its pods are of level restricted", (file) => {
  for (const { of, spec } of pods(examples(file)))
    expect([of, restrictedViolations(spec)]).toEqual([of, []]);
});

test("applied in the order of their names: the namespace comes before what is in it", () => {
  const all = FILES.toSorted().flatMap(examples);
  expect(all[0]).toMatchObject({ kind: "Namespace", metadata: { name: "outsock-demo" } });
  for (const { metadata } of all.slice(1)) expect(metadata.namespace).toBe("outsock-demo");
});
