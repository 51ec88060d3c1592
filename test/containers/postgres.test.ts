/** RUBiS on a real PostgreSQL in a container: as guests the same pages as natively. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Exchange, loadCatalogue, loadTable, replayCoverage } from "@outsock/loadtest";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILT, freePort, ROOT, type Sandbox, sandbox, tier } from "../e2e/sandbox.ts";
import { until } from "../e2e/wait.ts";
import { whyNoDocker } from "./docker.ts";

const IMAGE = "outsock-test/postgres:e2e";
const NOW = "2025-06-11T12:00:00.000Z";
const STATES = 27;
const MODES = ["native", "outsourced"] as const;
const why = BUILT ? whyNoDocker(IMAGE) : "not built";

describe.skipIf(why)(`RUBiS on PostgreSQL in a container${why ? ` (skipped: ${why})` : ""}`, () => {
  let container: StartedTestContainer;

  /** A database with the data set for each mode. */
  beforeAll(async () => {
    container = await new GenericContainer(IMAGE)
      .withExposedPorts(5432)
      .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/))
      .withStartupTimeout(120_000)
      .start();
    const psql = async (...words: string[]) => {
      const { exitCode, output } = await container.exec([
        "psql",
        "-h",
        "/tmp",
        "-U",
        "rubis",
        ...words,
      ]);
      if (exitCode !== 0) throw new Error(`psql ${words.join(" ")}: ${output}`);
    };
    await psql("-d", "postgres", "-c", "create database native");
    const load = spawn(
      process.execPath,
      [
        join(ROOT, "services/rubis-db/dist/load.js"),
        "--scale",
        "1",
        "--format",
        "sql",
        "--out",
        "-",
      ],
      { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, RUBIS_NOW: NOW } },
    );
    const words = [
      "exec",
      "-i",
      container.getId(),
      "psql",
      "-q",
      "-h",
      "/tmp",
      "-U",
      "rubis",
      "-d",
      "native",
    ];
    const into = spawn("docker", words, { stdio: ["pipe", "ignore", "inherit"] });
    load.stdout.pipe(into.stdin);
    const [code] = await once(into, "close");
    if (code !== 0) throw new Error(`the data set could not be loaded: psql ended with ${code}`);
    await psql("-d", "postgres", "-c", "create database outsourced template native");
  }, 300_000);
  afterAll(async () => {
    await container?.stop();
  });

  async function site(box: Sandbox, mode: (typeof MODES)[number]): Promise<string> {
    const native = mode === "native";
    const published = await freePort();
    const at = native ? "127.0.0.1" : "host.outsock";
    let reach = `postgres://rubis@${at}:${container.getMappedPort(5432)}/${mode}`;
    for (const [name, port] of [
      ["app", 3000],
      ["web", 8080],
    ] as const) {
      const env = {
        HOST: native ? "127.0.0.1" : "0.0.0.0",
        PORT: native ? "0" : String(port),
        DATABASE_URL: reach,
        APP_URL: reach,
        RUBIS_NOW: NOW,
      };
      const publish = name === "web" ? ["--publish", `${published}:${port}`] : [];
      const started = native
        ? box.native(tier(name), { env })
        : box.guest(tier(name), { env, options: ["--name", name, ...publish] });
      const [, got] = await started.printed(/listening on \S*?:(\d+)/i, 60_000);
      reach = `http://${native ? "127.0.0.1" : name}:${got}`;
    }
    const url = native ? reach : `http://127.0.0.1:${published}`;
    await until(
      "the first page",
      async () => (await fetch(`${url}/BrowseCategories`).catch(() => undefined))?.ok === true,
    );
    return url;
  }

  test("every state in order: bodies are byte-identical to native", async () => {
    const pages: Record<string, Exchange[]> = {};
    for (const mode of MODES) {
      const box = sandbox();
      if (mode === "outsourced") await box.agent();
      const url = await site(box, mode);
      const seen: Exchange[] = [];
      const table = loadTable("bidding");
      for await (const exchange of replayCoverage({
        url,
        table,
        catalogue: loadCatalogue(1),
        seed: 42,
      })) {
        seen.push(exchange);
      }
      pages[mode] = seen;
    }
    const { native = [], outsourced = [] } = pages;
    expect(new Set(native.map((exchange) => exchange.state)).size).toBe(STATES);
    expect(native.every((exchange) => exchange.status === 200)).toBe(true);
    expect(outsourced.length).toBe(native.length);
    for (const [n, exchange] of outsourced.entries()) expect(exchange).toEqual(native[n]);
  }, 240_000);
});
