import { afterEach, beforeEach, expect, it } from "vitest";
import { readConfig } from "../src/config.ts";
import { ResultCache } from "../src/engine/result-cache.ts";
import { type Served, serve } from "./served.ts";

let now = 0;
let served: Served;
beforeEach(async () => {
  now = 0;
  served = await serve(new ResultCache(1000, () => now));
});
afterEach(() => served.stop());

const rating = { text: "SELECT rating FROM users WHERE id = $1", values: [1] };
const raise = "UPDATE users SET rating = rating + 1 WHERE id = 1";

it("a read gives the result of before a write until its time is over", async () => {
  const client = await served.connect();
  const [before] = (await client.query(rating)).rows;
  await client.query(raise);
  now = 999;
  expect((await client.query(rating)).rows).toEqual([before]);
  now = 1000;
  expect((await client.query(rating)).rows).toEqual([{ rating: before.rating + 1 }]);
});

it("a read of other values has a result of its own", async () => {
  const client = await served.connect();
  const select = (id: number | string) =>
    client.query({ text: "SELECT id FROM users WHERE id = $1", values: [id] });
  expect((await select(1)).rows).toEqual([{ id: 1 }]);
  expect((await select(2)).rows).toEqual([{ id: 2 }]);
});

it("a read in a transaction sees what is stored", async () => {
  const client = await served.connect();
  const [before] = (await client.query(rating)).rows;
  await client.query("BEGIN");
  await client.query(raise);
  expect((await client.query(rating)).rows).toEqual([{ rating: before.rating + 1 }]);
  await client.query("COMMIT");
});

it("results are not kept unless the setting says so", () => {
  expect(readConfig({}).keepResultsMs).toBe(0);
  expect(readConfig({ RUBIS_DB_KEEP_RESULTS: "1000" }).keepResultsMs).toBe(1000);
  expect(() => readConfig({ RUBIS_DB_KEEP_RESULTS: "1s" })).toThrow(
    'RUBIS_DB_KEEP_RESULTS must be a whole number of milliseconds from 0 to 60000, not "1s".',
  );
});

it("keys tell values and kinds of values apart", () => {
  const cache = new ResultCache(1, () => 0);
  const keys = [[], [1], ["1"], ["1", "2"], ["12"], [null], [Buffer.from("ff", "hex")]].map(
    (values) => cache.key("SELECT", values),
  );
  expect(new Set(keys).size).toBe(keys.length);
});
