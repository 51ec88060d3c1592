import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";
import { parseWorkers } from "../src/workers/count.ts";
import { WorkerPool } from "../src/workers/worker-pool.ts";

const directory = mkdtempSync(join(tmpdir(), "outsock-pool-"));
afterAll(() => rmSync(directory, { recursive: true }));

function entry(name: string, text: string): URL {
  const path = join(directory, name);
  writeFileSync(path, text);
  return pathToFileURL(path);
}

function poolOf(url: URL) {
  const said: { fields: object; message: string }[] = [];
  const say = (fields: object, message: string): void => void said.push({ fields, message });
  const pool = new WorkerPool({ workers: 2, log: { info: say, warn: say }, entry: url });
  return { pool, said };
}

it("a worker that throws as it starts: the pool says why and does not get ready", async () => {
  const { pool, said } = poolOf(entry("throws.mjs", 'throw new Error("no good");'));
  await expect(pool.ready()).rejects.toThrow("a worker did not start: Error: no good");
  expect(said[0]).toMatchObject({
    fields: { reason: expect.stringContaining("no good") },
    message: "a worker broke; another one is started",
  });
  await pool.close();
});

it("a worker that runs and does not stop when told to is ended", async () => {
  const deaf = 'import { parentPort } from "node:worker_threads";\n';
  const { pool } = poolOf(
    entry(
      "deaf.mjs",
      `${deaf}parentPort.postMessage({ say: "ready" }); setInterval(() => {}, 1e6);`,
    ),
  );
  await pool.ready();
  expect(pool.load).toEqual([0, 0]);
  await pool.close();
});

it.each([
  ["1", 1],
  ["64", 64],
])("--workers %s", (text, workers) => {
  expect(parseWorkers(text)).toBe(workers);
});

it.each(["0", "65", "", "1e1", " 2", "-1"])("--workers %j is refused", (text) => {
  expect(() => parseWorkers(text)).toThrow("--workers must be a number from 1 to 64");
});
