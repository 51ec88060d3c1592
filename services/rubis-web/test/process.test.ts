import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, get } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { entry, now, start, type Tier } from "./tiers.ts";

function runTier(tier: Tier, env: Record<string, string>) {
  const cache = mkdtempSync(join(tmpdir(), "rubis-test-"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry(tier)], {
    env: { PATH: process.env.PATH, PORT: "0", RUBIS_CACHE: cache, ...env },
    encoding: "utf8",
    timeout: 10_000,
  });
  rmSync(cache, { recursive: true, force: true });
  return { status, stdout, stderr };
}

const bad: [Tier, Record<string, string>, string][] = [
  ["rubis-web", { PORT: "abc" }, "PORT must be"],
  ["rubis-web", { PORT: "70000" }, "PORT must be"],
  ["rubis-web", { APP_URL: "ftp://x" }, "APP_URL must be"],
  ["rubis-web", { RUBIS_DRAIN_MS: "-1" }, "RUBIS_DRAIN_MS must be"],
  ["rubis-app", { PORT: "-1" }, "PORT must be"],
  ["rubis-app", { DATABASE_URL: "mysql://x" }, "DATABASE_URL must be"],
  ["rubis-app", { RUBIS_NOW: "yesterday" }, "RUBIS_NOW must be"],
  ["rubis-app", { RUBIS_DB_POOL: "0" }, "RUBIS_DB_POOL must be"],
  ["rubis-db", { PORT: "1e3" }, "PORT must be"],
  ["rubis-db", { RUBIS_SCALE: "-1" }, "RUBIS_SCALE"],
  ["rubis-db", { RUBIS_SEED: "x" }, "RUBIS_SEED"],
  ["rubis-db", { RUBIS_NOW: "2025-13-01" }, "RUBIS_NOW must be"],
  ["rubis-db", { RUBIS_DB: entry("rubis-db") }, "is not a RUBiS database"],
  ["rubis-db", { RUBIS_DB: "/dev/null/x", RUBIS_SCALE: "0.01" }, "rubis-db: "],
];

test.each(bad)("%s with %o ends with one sentence and code 1", (tier, env, text) => {
  const { status, stdout, stderr } = runTier(tier, env);
  expect(stderr).toContain(text);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stdout).toBe("");
  expect(status).toBe(1);
});

test.each<Tier>(["rubis-web", "rubis-app", "rubis-db"])(
  "%s says that its port is in use",
  async (tier) => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    try {
      const { port } = holder.address() as AddressInfo;
      const { status, stderr } = runTier(tier, { PORT: String(port), RUBIS_SCALE: "0.01" });
      expect(stderr).toMatch(/address is in use/i);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(status).toBe(1);
    } finally {
      holder.close();
    }
  },
);

test("web told to stop, with time to drain: a kept connection is answered once more, then left", async () => {
  const web = await start("rubis-web", { RUBIS_DRAIN_MS: "60000" });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** Status and what becomes of the connection. */
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      const options = { host: "127.0.0.1", port: web.port, path: "/", agent };
      const request = get(options, (response) => {
        const { statusCode, headers } = response;
        response.resume().on("end", () => resolve(`${statusCode} ${headers.connection}`));
      });
      request.on("error", reject);
    });
  try {
    expect(await ask()).toBe("200 keep-alive");
    web.process.kill("SIGTERM");
    // The signal takes its time; until then answers are ordinary ones.
    let answer = await ask();
    while (answer === "200 keep-alive") answer = await ask();
    expect(answer).toBe("200 close");
  } finally {
    agent.destroy();
    web.process.kill("SIGKILL");
    await web.stop();
  }
});

test("web without its application says so with 502, without the database with 503, and recovers", async () => {
  const clock = { RUBIS_NOW: now, RUBIS_SCALE: "0.05" };
  const db = await start("rubis-db", clock);
  const env = { ...clock, DATABASE_URL: `postgres://rubis@127.0.0.1:${db.port}/rubis` };
  const app = await start("rubis-app", env);
  const web = await start("rubis-web", { APP_URL: `http://127.0.0.1:${app.port}` });
  const open = (path: string) => fetch(`http://127.0.0.1:${web.port}${path}`);
  expect((await open("/BrowseRegions")).status).toBe(200);

  expect(await db.stop()).toBe(0);
  const noDatabase = await open("/BrowseRegions");
  expect(noDatabase.status).toBe(503);
  expect(await noDatabase.text()).toContain("out of service");
  const db2 = await start("rubis-db", { ...clock, PORT: String(db.port) });
  expect((await open("/BrowseRegions")).status).toBe(200);

  expect(await app.stop()).toBe(0);
  expect((await open("/BrowseRegions")).status).toBe(502);
  expect((await open("/")).status).toBe(200);
  const app2 = await start("rubis-app", { ...env, PORT: String(app.port) });
  expect((await open("/BrowseRegions")).status).toBe(200);

  expect(await web.stop()).toBe(0);
  expect(await app2.stop()).toBe(0);
  expect(await db2.stop()).toBe(0);
});
