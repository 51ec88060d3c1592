import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/**
 * The same application and the same SQL over SQLite and over a real PostgreSQL: every answer must
 * be the same. Needs PostgreSQL's server programs here (`apt-get install postgresql`).
 */
const now = "2025-01-01T00:00:00Z";
const scale = "0.05";
const db = fileURLToPath(new URL("../../rubis-db/dist/", import.meta.url));
const app = fileURLToPath(new URL("../dist/main.js", import.meta.url));

function findPrograms(): string | null {
  const folders = existsSync("/usr/lib/postgresql")
    ? readdirSync("/usr/lib/postgresql").map((v) => `/usr/lib/postgresql/${v}/bin`)
    : [];
  const found = [...folders, ...(process.env.PATH ?? "").split(":")];
  return (
    found.find(
      (folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")),
    ) ?? null
  );
}

/** PostgreSQL does not run as root: then the user that its package made is taken. */
function serverUser(): { uid: number; gid: number } | null {
  if (userInfo().uid !== 0) return { uid: userInfo().uid, gid: userInfo().gid };
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    spawnSync("id", [flag, "postgres"], { encoding: "utf8" }),
  );
  return uid?.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid?.stdout) } : null;
}

const programs = findPrograms();
const user = serverUser();
const psql = spawnSync("psql", ["--version"]).status === 0;
const missing = !programs || !user || !psql ? "no PostgreSQL here" : "";

async function listening(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, PORT: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const m = /listening on (\S+):(\d+)/.exec(line);
    if (m) return { child, port: Number(m[2]) };
  }
  throw new Error(`${args[0]} ended before it listened`);
}

async function stop(child: {
  kill: (s: "SIGTERM" | "SIGINT") => boolean;
  exitCode: number | null;
}) {
  const ended = once(child as never, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** Starts PostgreSQL on a Unix socket in a directory of its own and loads the data set. */
async function startPostgres(directory: string) {
  const account = user as { uid: number; gid: number };
  chownSync(directory, account.uid, account.gid);
  const data = join(directory, "data");
  const options = { ...account, cwd: directory, stdio: "ignore" as const };
  execFileSync(
    join(programs as string, "initdb"),
    ["-D", data, "-A", "trust", "-U", "rubis", "--no-sync"],
    options,
  );
  const child = spawn(
    join(programs as string, "postgres"),
    ["-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off"],
    { ...account, cwd: directory, stdio: ["ignore", "ignore", "pipe"] },
  );
  for await (const line of createInterface({ input: child.stderr }))
    if (line.includes("ready to accept connections")) break;
  child.stderr.resume();
  const dump = execFileSync(
    process.execPath,
    [join(db, "load.js"), "--scale", scale, "--now", now, "--format", "sql", "--out", "-"],
    { maxBuffer: 1024 * 1024 * 1024 },
  );
  const target = ["-h", directory, "-U", "rubis", "-q"];
  execFileSync("psql", [...target, "-d", "postgres", "-c", "CREATE DATABASE rubis"]);
  execFileSync("psql", [...target, "-d", "rubis"], {
    input: dump,
    stdio: ["pipe", "ignore", "inherit"],
  });
  return { child, url: `postgres://rubis@localhost/rubis?host=${encodeURIComponent(directory)}` };
}

type Ask = (method: "GET" | "POST", path: string, body?: object) => Promise<unknown>;

function client(port: number): Ask {
  return async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    return { path, status: response.status, answer: await response.json() };
  };
}

/** Every route, with what works and what is refused. */
async function visit(ask: Ask): Promise<unknown[]> {
  const login = { nickname: "user7", password: "password7" };
  const person = {
    firstname: "É",
    lastname: "L",
    nickname: "new",
    password: "p",
    email: "e",
    region: "NY--New York",
  };
  const offer = {
    name: "n",
    description: "d",
    initialPrice: 5.25,
    reservePrice: 6,
    buyNow: 9.5,
    duration: 3,
    quantity: 2,
    userId: 7,
    categoryId: 3,
  };
  const out: unknown[] = [];
  for (const path of [
    "/healthz",
    "/regions",
    "/categories",
    "/categories?region=AZ--Phoenix",
    "/categories?region=x",
  ])
    out.push(await ask("GET", path));
  for (let category = 1; category <= 20; category++)
    out.push(await ask("GET", `/items?category=${category}&page=${category % 2}&nbOfItems=5`));
  for (let region = 1; region <= 62; region++)
    out.push(await ask("GET", `/items?category=6&region=${region}`));
  for (const id of [1, 2, 3, 500, 758, 759, 780, 808, 99999]) {
    out.push(await ask("GET", `/items/${id}`));
    out.push(await ask("GET", `/items/${id}/bids`));
    out.push(await ask("GET", `/users/${id}`));
  }
  const forms: [string, object][] = [
    ["/users", person],
    ["/users", person],
    ["/users", { ...person, region: "x" }],
    ["/items", offer],
    ["/items", { ...offer, buyNow: 1 }],
    ["/forms/sell", login],
    ["/forms/sell", { ...login, password: "x" }],
    ["/forms/bid", { ...login, itemId: 809 }],
    ["/bids", { itemId: 809, userId: 7, bid: 5.5, maxBid: 8, qty: 1 }],
    ["/bids", { itemId: 809, userId: 8, bid: 5.5, maxBid: 8, qty: 1 }],
    ["/bids", { itemId: 809, userId: 8, bid: 7, maxBid: 8, qty: 3 }],
    ["/bids", { itemId: 3, userId: 8, bid: 7, maxBid: 8, qty: 1 }],
    ["/forms/buy-now", { ...login, itemId: 809 }],
    ["/purchases", { itemId: 809, userId: 7, qty: 1 }],
    ["/purchases", { itemId: 809, userId: 7, qty: 2 }],
    ["/purchases", { itemId: 809, userId: 7, qty: 1 }],
    ["/forms/comment", { ...login, itemId: 809, to: 3 }],
    ["/comments", { itemId: 809, to: 7, from: 3, rating: -3, comment: "späť\n'x'" }],
    ["/about-me", login],
  ];
  for (const [path, body] of forms) out.push(await ask("POST", path, body));
  for (let id = 1; id <= 60; id++)
    out.push(await ask("POST", "/about-me", { nickname: `user${id}`, password: `password${id}` }));
  return out;
}

async function answers(databaseUrl: string): Promise<unknown[]> {
  const { child, port } = await listening([app], { DATABASE_URL: databaseUrl, RUBIS_NOW: now });
  try {
    return await visit(client(port));
  } finally {
    await stop(child);
  }
}

test.skipIf(missing !== "")(
  `the answers over SQLite are those over PostgreSQL${missing && ` (skipped: ${missing})`}`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "rubis-pg-"));
    const sqlite = await listening([join(db, "main.js")], {
      RUBIS_SCALE: scale,
      RUBIS_NOW: now,
      RUBIS_CACHE: join(directory, "cache"),
    });
    const postgres = await startPostgres(directory);
    try {
      const overSqlite = await answers(`postgres://rubis@127.0.0.1:${sqlite.port}/rubis`);
      const overPostgres = await answers(postgres.url);
      expect(overSqlite).toEqual(overPostgres);
      expect(overSqlite.filter((a) => (a as { status: number }).status >= 500)).toEqual([]);
    } finally {
      await stop(sqlite.child);
      await stop(postgres.child);
      rmSync(directory, { recursive: true, force: true });
    }
  },
  60_000,
);
