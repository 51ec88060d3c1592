import { readFileSync } from "node:fs";
import { MODES } from "@outsock/abi";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

interface Schema {
  properties: Record<string, Schema>;
  items: Schema;
  enum?: string[];
}

describe("the CRD", () => {
  const file = new URL("../../../k8s/crds/virtualmachines.outsock.dev.yaml", import.meta.url);
  const crd = parse(readFileSync(file, "utf8")) as {
    spec: {
      versions: {
        schema: { openAPIV3Schema: Schema };
        additionalPrinterColumns: { name: string; priority?: number }[];
      }[];
    };
  };
  const version = crd.spec.versions[0]!;

  test("its modes are those of the one list", () => {
    const { spec } = version.schema.openAPIV3Schema.properties;
    expect(spec?.properties.mode?.enum).toEqual([...MODES]);
  });

  test("kubectl get vm shows phase, mode, node, address, connections, shortcut and age", () => {
    const shown = version.additionalPrinterColumns.filter(({ priority }) => !priority);
    expect(shown.map(({ name }) => name)).toEqual([
      "Phase",
      "Mode",
      "Node",
      "Address",
      "Connections",
      "Shortcut",
      "Age",
    ]);
  });
});
