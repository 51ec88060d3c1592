import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";

export type Tier = "rubis-db" | "rubis-app" | "rubis-web";

export interface Running {
  process: ChildProcess;
  port: number;
  /** SIGTERM; gives the exit code. */
  stop: () => Promise<number | null>;
}

export const now = "2025-01-01T00:00:00Z";

export function entry(tier: Tier): string {
  return fileURLToPath(new URL(`../../${tier}/dist/main.js`, import.meta.url));
}

/** Starts a tier on a free port and waits for the line that it prints when it listens. */
export async function start(tier: Tier, env: Record<string, string> = {}): Promise<Running> {
  const cache = mkdtempSync(join(tmpdir(), "rubis-test-"));
  const child = spawn(process.execPath, [entry(tier)], {
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", RUBIS_CACHE: cache, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const stop = async () => {
    child.kill("SIGTERM");
    const [code] = await exited;
    rmSync(cache, { recursive: true, force: true });
    return code;
  };
  const listening = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      const m = /listening on (\S+):(\d+)/.exec(line);
      if (m) return Number(m[2]);
    }
    throw new Error(`${tier} ended before it listened`);
  })();
  return { process: child, port: await listening, stop };
}

export interface System {
  url: string;
  databaseUrl: string;
  tiers: Record<Tier, Running>;
  stop: () => Promise<void>;
}

/** All three tiers on a small data set, with the clock fixed. */
export async function startSystem(databaseUrl?: string): Promise<System> {
  const clock = { RUBIS_NOW: now };
  const db = await start("rubis-db", { ...clock, RUBIS_SCALE: "0.05" });
  const url = databaseUrl ?? `postgres://rubis@127.0.0.1:${db.port}/rubis`;
  const app = await start("rubis-app", { ...clock, DATABASE_URL: url });
  const web = await start("rubis-web", { APP_URL: `http://127.0.0.1:${app.port}` });
  const tiers = { "rubis-db": db, "rubis-app": app, "rubis-web": web };
  return {
    url: `http://127.0.0.1:${web.port}`,
    databaseUrl: url,
    tiers,
    stop: async () => {
      for (const tier of [web, app, db]) await tier.stop();
    },
  };
}

/** Asks the database itself, past the tiers. */
export async function query(databaseUrl: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** What a visit of all states needs to know of the data set. */
export interface Ground {
  buyNowItem: number;
  /** A region and a category with an item of a seller there. */
  region: number;
  regionName: string;
  category: number;
}

export async function findGround(databaseUrl: string): Promise<Ground> {
  const [item] = await query(databaseUrl, "SELECT min(id) AS id FROM items WHERE buy_now > 0");
  const [place] = await query(
    databaseUrl,
    `SELECT r.id AS region, r.name, i.category FROM items i JOIN users u ON u.id = i.seller
     JOIN regions r ON r.id = u.region ORDER BY i.id LIMIT 1`,
  );
  return {
    buyNowItem: Number(item?.id),
    region: Number(place?.region),
    regionName: String(place?.name),
    category: Number(place?.category),
  };
}
