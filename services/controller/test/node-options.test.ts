import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Container, EnvFrom, EnvVar } from "../src/pods/types.ts";
import { hasRuntime, joinNodeOptions } from "../src/webhook/node-options.ts";
import { kubeletEnv } from "./kubelet-env.ts";

const REQUIRE = "--require /run/outsock/runtime/runtime.cjs";
const CONFIG_MAPS = { cm: { NODE_OPTIONS: "--from-cm", OPTIONS: "--short" }, other: { X: "1" } };
const SECRETS = { sec: { NODE_OPTIONS: "--from-secret" } };

function inForce(container: Omit<Container, "name">, restated?: string): string | undefined {
  const full = { name: "web", ...container };
  const env = joinNodeOptions(full, restated);
  return kubeletEnv({ ...full, env }, CONFIG_MAPS, SECRETS).NODE_OPTIONS;
}

const fromCm = (name: string, key: string, optional?: boolean): EnvVar => ({
  name: "NODE_OPTIONS",
  valueFrom: { configMapKeyRef: { name, key, ...(optional ? { optional } : {}) } },
});

describe("NODE_OPTIONS that is there already is joined", () => {
  test.each<[string, Omit<Container, "name">, string | undefined, string]>([
    ["nothing", {}, undefined, REQUIRE],
    ["a value", { env: [{ name: "NODE_OPTIONS", value: "--a" }] }, undefined, `${REQUIRE} --a`],
    ["an empty value", { env: [{ name: "NODE_OPTIONS", value: "" }] }, "--image", REQUIRE],
    [
      "a value that names another variable",
      {
        env: [
          { name: "MORE", value: "--b" },
          { name: "NODE_OPTIONS", value: "--a $(MORE)" },
        ],
      },
      undefined,
      `${REQUIRE} --a --b`,
    ],
    [
      "two values, the second of which names the first",
      {
        env: [
          { name: "NODE_OPTIONS", value: "--a" },
          { name: "NODE_OPTIONS", value: "$(NODE_OPTIONS) --b" },
        ],
      },
      undefined,
      `${REQUIRE} --a --b`,
    ],
    ["valueFrom", { env: [fromCm("cm", "NODE_OPTIONS")] }, undefined, `${REQUIRE} --from-cm`],
    [
      "valueFrom a field",
      { env: [{ name: "NODE_OPTIONS", valueFrom: { fieldRef: {} } }] },
      undefined,
      `${REQUIRE} field`,
    ],
    [
      "optional valueFrom, there",
      { env: [fromCm("cm", "NODE_OPTIONS", true)] },
      undefined,
      `${REQUIRE} --from-cm`,
    ],
    [
      "optional valueFrom, missing",
      { env: [fromCm("cm", "nope", true)] },
      undefined,
      `${REQUIRE} `,
    ],
    [
      "optional valueFrom, missing, envFrom has it",
      { env: [fromCm("cm", "nope", true)], envFrom: [{ secretRef: { name: "sec" } }] },
      undefined,
      `${REQUIRE} --from-secret`,
    ],
    [
      "envFrom a ConfigMap",
      { envFrom: [{ configMapRef: { name: "cm" } }] },
      undefined,
      `${REQUIRE} --from-cm`,
    ],
    [
      "envFrom a Secret after a ConfigMap: the last counts",
      { envFrom: [{ configMapRef: { name: "cm" } }, { secretRef: { name: "sec" } }] },
      undefined,
      `${REQUIRE} --from-secret`,
    ],
    [
      "envFrom with a prefix that makes the name",
      { envFrom: [{ prefix: "NODE_", configMapRef: { name: "cm" } }] },
      undefined,
      `${REQUIRE} --short`,
    ],
    [
      "envFrom without the key",
      { envFrom: [{ configMapRef: { name: "other" } }] },
      undefined,
      `${REQUIRE} `,
    ],
    [
      "envFrom that is not there at all, optional",
      { envFrom: [{ secretRef: { name: "gone", optional: true } }] },
      "--image",
      `${REQUIRE} --image`,
    ],
    ["the image's, restated", {}, "--image $(X)", `${REQUIRE} --image $(X)`],
    [
      "the image's, restated, but envFrom replaces it",
      { envFrom: [{ configMapRef: { name: "cm" } }] },
      "--image",
      `${REQUIRE} --from-cm`,
    ],
    [
      "the image's, restated, but a value replaces it",
      { env: [{ name: "NODE_OPTIONS", value: "--a" }] },
      "--image",
      `${REQUIRE} --a`,
    ],
  ])("%s", (_, container, restated, expected) => {
    expect(inForce(container, restated)).toBe(expected);
  });

  test("any variables and sources: the runtime first, then what native would have had", () => {
    const option = fc.constantFrom("--a", "--b=1", "--c $(MORE)", "");
    const ref = fc.record({
      name: fc.constantFrom("cm", "other", "gone"),
      key: fc.constantFrom("NODE_OPTIONS", "OPTIONS", "nope"),
      optional: fc.boolean(),
    });
    const variable = fc.oneof(
      fc.record({ name: fc.constantFrom("NODE_OPTIONS", "MORE", "A"), value: option }),
      fc.record({
        name: fc.constantFrom("NODE_OPTIONS", "A"),
        valueFrom: fc.record({ configMapKeyRef: ref }),
      }),
    ) as fc.Arbitrary<EnvVar>;
    const source = fc.oneof(
      fc.record({
        prefix: fc.constantFrom("", "NODE_", "X_"),
        configMapRef: fc.record({ name: fc.constantFrom("cm", "other"), optional: fc.boolean() }),
      }),
      fc.record({ secretRef: fc.record({ name: fc.constantFrom("sec"), optional: fc.boolean() }) }),
    ) as fc.Arbitrary<EnvFrom>;
    fc.assert(
      fc.property(fc.array(variable), fc.array(source), (env, envFrom) => {
        const container: Container = { name: "web", env, envFrom };
        let native: Record<string, string>;
        try {
          native = kubeletEnv(container, CONFIG_MAPS, SECRETS);
        } catch {
          return;
        }
        const joined = { ...container, env: joinNodeOptions(container, undefined) };
        const guest = kubeletEnv(joined, CONFIG_MAPS, SECRETS);
        const own = native.NODE_OPTIONS ?? "";
        // Two entries of the name with the first a fallback of the second is nobody's intent.
        const doubled = env.filter(({ name }) => name === "NODE_OPTIONS").length > 1;
        if (!doubled) expect(guest.NODE_OPTIONS?.trimEnd()).toBe(`${REQUIRE} ${own}`.trimEnd());
        expect(guest.NODE_OPTIONS).toMatch(/^--require /);
        expect(hasRuntime(joined)).toBe(true);
        const { NODE_OPTIONS: _a, OUTSOCK_NODE_OPTIONS: _b, ...rest } = guest;
        const { NODE_OPTIONS: _c, ...others } = native;
        if (!env.some(({ value }) => value?.includes("$("))) expect(rest).toEqual(others);
      }),
    );
  });
});
