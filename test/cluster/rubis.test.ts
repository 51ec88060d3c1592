/** RUBiS in guests of a cluster: the same pages as natively, and no error under load. */
import { readFileSync } from "node:fs";
import type { Exchange } from "@outsock/loadtest";
import { afterAll, expect, test } from "vitest";
import { onCluster } from "./cluster.ts";
import { ROOT } from "./kubectl.ts";
import { guests } from "./release.ts";
import { bringUp, everyState, load, reached, takeDown } from "./site.ts";

const NOW = "2025-06-11T12:00:00.000Z";
const STATES = 27;
const INTERACTIONS = 500;
const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));

onCluster("rubis", (place) => {
  afterAll(async () => {
    if (place.release !== undefined) await takeDown(place.release);
  });

  const pages = (): Promise<Exchange[]> => reached(place.release, everyState);

  test("every state in order, on one node and spread: bodies are byte-identical to native", async () => {
    const { release } = place;
    await bringUp(release, { mode: "native", placement: "one-node", now: NOW });
    const native = await pages();
    expect(new Set(native.map((exchange) => exchange.state)).size).toBe(STATES);
    expect(native.every((exchange) => exchange.status === 200)).toBe(true);
    for (const placement of ["one-node", "spread"] as const) {
      await bringUp(release, { mode: "outsourced", placement, now: NOW });
      const tiers = (await guests(release, release.namespace)).map((it) => it.container);
      expect(tiers.toSorted()).toEqual(["app", "db", "web"]);
      const outsourced = await pages();
      expect(outsourced.length).toBe(native.length);
      for (const [n, exchange] of outsourced.entries()) expect(exchange).toEqual(native[n]);
    }
  }, 600_000);

  test(`${INTERACTIONS} interactions of a load within the cluster: no error, tiers of one node talk by shortcut`, async () => {
    const { release } = place;
    await bringUp(release, { mode: "outsourced", placement: "one-node" });
    // Those that are under way at the end are not counted.
    const summary = await load(release, version, INTERACTIONS + 50, 8, 120);
    expect(summary).toMatchObject({ errors: 0, errorSamples: [] });
    expect(summary.interactions).toBeGreaterThanOrEqual(INTERACTIONS);
    const app = (await guests(release, release.namespace)).find((it) => it.container === "app");
    expect(app?.shortcut.connections).toBeGreaterThan(0);
  }, 600_000);
});
