/** RUBiS outsourced: the same pages as natively, byte by byte, and no error under load. */
import { join } from "node:path";
import {
  type Exchange,
  loadCatalogue,
  loadTable,
  phases,
  replayCoverage,
  runLoad,
} from "@outsock/loadtest";
import { describe, expect, test } from "vitest";
import { bootSite } from "./rubis.ts";
import { BUILT, sandbox } from "./sandbox.ts";

const SCALE = 1;
const NOW = "2025-06-11T12:00:00.000Z";
const SEED = 42;
const STATES = 27;
const INTERACTIONS = 20_000;
const CLIENTS = 32;

/** Pages of every state, by one client in order, of a fresh copy of the data. */
async function pages(native: boolean, cache: string): Promise<Exchange[]> {
  const box = sandbox();
  if (!native) await box.agent();
  const env = { RUBIS_NOW: NOW, RUBIS_SCALE: String(SCALE), RUBIS_CACHE: cache };
  const url = await bootSite(box, { native, env });
  const table = loadTable("bidding");
  const exchanges: Exchange[] = [];
  for await (const exchange of replayCoverage({
    url,
    table,
    catalogue: loadCatalogue(SCALE),
    seed: SEED,
  })) {
    exchanges.push(exchange);
  }
  return exchanges;
}

describe.skipIf(!BUILT)("RUBiS", () => {
  test("one client visits every state in order: bodies are byte-identical to native", async () => {
    // The data set is made once; each mode has its own copy of it.
    const cache = join(sandbox().directory, "cache");
    const native = await pages(true, cache);
    const outsourced = await pages(false, cache);
    expect(new Set(native.map((exchange) => exchange.state)).size).toBe(STATES);
    expect(native.every((exchange) => exchange.status === 200)).toBe(true);
    expect(outsourced.length).toBe(native.length);
    for (const [n, exchange] of outsourced.entries()) expect(exchange).toEqual(native[n]);
  }, 180_000);

  test(`${INTERACTIONS} interactions of ${CLIENTS} clients without think time: no error`, async () => {
    const box = sandbox();
    const agent = await box.agent();
    const url = await bootSite(box, { env: { RUBIS_SCALE: String(SCALE) } });
    const { summary, aborted } = await runLoad({
      url,
      table: loadTable("bidding"),
      catalogue: loadCatalogue(SCALE),
      clients: CLIENTS,
      seed: SEED,
      slowdown: 0,
      phases: phases(0, 170, 0),
      interactions: INTERACTIONS,
    });
    expect(aborted).toBe(false);
    expect(summary).toMatchObject({ errors: 0, errorSamples: [] });
    expect(summary.interactions).toBeGreaterThanOrEqual(INTERACTIONS);
    expect(agent.outcome).toBeUndefined();
  }, 180_000);
});
