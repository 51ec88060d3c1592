import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Served, serve } from "./served.ts";

let served: Served;
let client: pg.Client;

beforeAll(async () => {
  served = await serve();
  client = await served.connect();
});

afterAll(async () => {
  await served.stop();
});

async function rows(sql: string, values?: unknown[]): Promise<unknown[]> {
  return (await client.query(sql, values)).rows;
}

describe("queries by `pg`", () => {
  test("simple query: types and values as PostgreSQL gives them", async () => {
    const result = await client.query(
      "SELECT id, name, 1.5 AS n, count(*) AS c, max(id), 'a' || 'b', 5 / 2 AS half FROM regions WHERE id = 3 GROUP BY id, name",
    );
    expect(result.rows).toEqual([
      { id: 3, name: "CA--Oakland", n: "1.5", c: "1", max: 3, "?column?": "ab", half: 2 },
    ]);
    expect(result.fields.map((f) => f.dataTypeID)).toEqual([23, 1043, 1700, 20, 23, 25, 23]);
  });

  test("several statements in one query", async () => {
    const results = (await client.query(
      "SELECT 1 AS a; SELECT 2 AS b",
    )) as unknown as pg.QueryResult[];
    expect(results.map((r) => r.rows)).toEqual([[{ a: 1 }], [{ b: 2 }]]);
  });

  test("the empty query", async () => {
    expect((await client.query("")).rows).toEqual([]);
    expect((await client.query("-- nothing\n;")).rows).toEqual([]);
  });

  test("parameters by the extended protocol, and null", async () => {
    expect(await rows("SELECT id FROM regions WHERE name = $1", ["CA--Oakland"])).toEqual([
      { id: 3 },
    ]);
    expect(await rows("SELECT $1::int AS a, $2::text AS b", [7, null])).toEqual([
      { a: 7, b: null },
    ]);
  });

  test("a named prepared statement, twice", async () => {
    const query = { name: "by-id", text: "SELECT name FROM categories WHERE id = $1" };
    expect((await client.query({ ...query, values: [2] })).rows).toEqual([{ name: "Books" }]);
    expect((await client.query({ ...query, values: [5] })).rows).toEqual([{ name: "Coins" }]);
  });

  test("binary results", async () => {
    const sql =
      "SELECT id, nickname, balance + 2.25 AS b, count(*) OVER () AS n FROM users WHERE id = $1";
    const { rows } = await client.query({ text: sql, values: [1], binary: true } as pg.QueryConfig);
    expect(rows).toEqual([{ id: 1, nickname: "user1", b: 2.25, n: "1" }]);
  });

  test("now() is the clock that was given", async () => {
    expect(await rows("SELECT now()::text AS t, current_date::text AS d")).toEqual([
      { t: "2025-01-01 00:00:00", d: "2025-01-01" },
    ]);
  });

  test("INSERT, UPDATE and DELETE say how many rows, RETURNING gives them", async () => {
    const made = await client.query(
      "INSERT INTO regions (name) VALUES ($1), ($2) RETURNING id, name",
      ["X", "Y"],
    );
    expect(made.rows.map((r) => r.name)).toEqual(["X", "Y"]);
    expect([made.command, made.rowCount]).toEqual(["INSERT", 2]);
    const changed = await client.query("UPDATE regions SET name = 'Z' WHERE id > $1", [62]);
    expect([changed.command, changed.rowCount]).toEqual(["UPDATE", 2]);
    const gone = await client.query("DELETE FROM regions WHERE name = 'Z'");
    expect([gone.command, gone.rowCount]).toEqual(["DELETE", 2]);
  });

  test("a large result arrives whole", async () => {
    const result = await client.query("SELECT id, description FROM old_items ORDER BY id");
    expect(result.rows.map((r) => r.id)).toEqual(Array.from({ length: 303 }, (_, i) => i + 1));
    const lengths = await rows("SELECT length(description) AS n FROM old_items ORDER BY id");
    expect(result.rows.map((r) => ({ n: r.description.length }))).toEqual(lengths);
  });

  test("columns of subqueries keep name and type", async () => {
    const result = await client.query(
      "SELECT b.item_id, b.best FROM (SELECT item_id, max(bid) AS best FROM bids GROUP BY item_id) b ORDER BY b.item_id LIMIT 1",
    );
    expect(result.fields.map((f) => [f.name, f.dataTypeID])).toEqual([
      ["item_id", 23],
      ["best", 701],
    ]);
  });
});

describe("errors have the SQLSTATE of PostgreSQL", () => {
  test.each([
    ["SELEC 1", "42601"],
    ["SELECT FROM WHERE", "42601"],
    ["SELECT 1 +", "42601"],
    ["SELECT * FROM nowhere", "42P01"],
    ["SELECT nowhere FROM users", "42703"],
    ["INSERT INTO users (nowhere) VALUES (1)", "42703"],
    ["SELECT nofunction(1)", "42883"],
    ["SELECT id FROM users, items", "42702"],
    ["INSERT INTO regions (id, name) VALUES (1, 'x')", "23505"],
    ["INSERT INTO regions (name) VALUES (NULL)", "23502"],
    ["SELECT 'a'::nosuchtype", "42704"],
    ["CREATE TABLE users (id int)", "42P07"],
    ["COPY users TO stdout", "0A000"],
    ["PRAGMA journal_mode", "42601"],
    ["ATTACH DATABASE '/tmp/x' AS x", "42601"],
    ["SELECT load_extension('x')", "0A000"],
    ["SHOW nothing", "42704"],
    ["SET client_encoding TO 'LATIN1'", "0A000"],
    ["SAVEPOINT a", "25P01"],
    ["SELECT $1", "42P02"],
  ])("%s is %s", async (sql, code) => {
    await expect(client.query(sql)).rejects.toMatchObject({ code });
    expect(await rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a value of the wrong type, by the extended protocol", async () => {
    await expect(client.query("SELECT id FROM users WHERE id = $1", ["x"])).rejects.toMatchObject({
      code: "22P02",
    });
    await expect(client.query("SELECT id FROM users WHERE id = $1", [1, 2])).rejects.toMatchObject({
      code: "08P01",
    });
    await expect(client.query("SELECT 1; SELECT $1", [1])).rejects.toMatchObject({ code: "42601" });
  });

  test("a unique violation names table and constraint", async () => {
    await expect(
      client.query(
        "INSERT INTO users SELECT id + 9999, firstname, lastname, nickname, password, email, rating, balance, creation_date, region FROM users WHERE id = 1",
      ),
    ).rejects.toMatchObject({
      code: "23505",
      table: "users",
      constraint: "users_nickname_key",
      detail: "Key (nickname) already exists.",
    });
  });
});

describe("transactions", () => {
  const count = async (c: pg.Client) =>
    Number((await c.query("SELECT count(*) AS n FROM regions")).rows[0].n);

  test("what is rolled back was never there; what is committed is seen by all", async () => {
    const other = await served.connect();
    await client.query("BEGIN");
    await client.query("INSERT INTO regions (name) VALUES ('T')");
    expect([await count(client), await count(other)]).toEqual([63, 62]);
    await client.query("ROLLBACK");
    expect(await count(client)).toBe(62);
    await client.query("BEGIN; INSERT INTO regions (name) VALUES ('T'); COMMIT");
    expect(await count(other)).toBe(63);
    await client.query("DELETE FROM regions WHERE name = 'T'");
    await other.end();
  });

  test("an error fails the block until its end, and COMMIT rolls back", async () => {
    await client.query("BEGIN");
    await client.query("INSERT INTO regions (name) VALUES ('T')");
    await expect(client.query("SELECT 1 FROM nowhere")).rejects.toMatchObject({ code: "42P01" });
    await expect(client.query("SELECT 1")).rejects.toMatchObject({ code: "25P02" });
    expect((await client.query("COMMIT")).command).toBe("ROLLBACK");
    expect(await count(client)).toBe(62);
  });

  test("back to a savepoint the block goes on", async () => {
    await client.query("BEGIN");
    await client.query("SAVEPOINT a");
    await expect(
      client.query("INSERT INTO regions (id, name) VALUES (1, 'T')"),
    ).rejects.toMatchObject({ code: "23505" });
    await client.query("ROLLBACK TO SAVEPOINT a");
    expect(await count(client)).toBe(62);
    await client.query("COMMIT");
  });

  test("several statements of one query are one transaction", async () => {
    await expect(
      client.query(
        "INSERT INTO regions (name) VALUES ('T'); INSERT INTO regions (id, name) VALUES (1, 'T')",
      ),
    ).rejects.toMatchObject({ code: "23505" });
    expect(await count(client)).toBe(62);
  });

  test("a second writer waits for the first, readers do not", async () => {
    const second = await served.connect();
    await client.query("BEGIN");
    await client.query("SELECT id FROM regions WHERE id = 1 FOR UPDATE");
    const order: string[] = [];
    const waiting = second
      .query("INSERT INTO regions (name) VALUES ('W')")
      .then(() => order.push("second"));
    const reader = await served.connect();
    expect(await count(reader)).toBe(62);
    order.push("reader");
    await client.query("COMMIT");
    await waiting;
    expect(order).toEqual(["reader", "second"]);
    await client.query("DELETE FROM regions WHERE name = 'W'");
    await Promise.all([second.end(), reader.end()]);
  });

  test("a client that goes away in a block leaves the lock and its changes behind", async () => {
    const gone = await served.connect();
    await gone.query("BEGIN");
    await gone.query("INSERT INTO regions (name) VALUES ('G')");
    (gone as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
    await client.query("UPDATE regions SET name = name WHERE id = 1");
    expect(await count(client)).toBe(62);
  });

  test("20 clients that count one number up lose no update", async () => {
    await client.query("UPDATE users SET rating = 0 WHERE id = 1");
    const clients = await Promise.all(Array.from({ length: 20 }, () => served.connect()));
    await Promise.all(
      clients.map(async (c) => {
        for (let i = 0; i < 10; i++) {
          await c.query("BEGIN");
          const { rows } = await c.query("SELECT rating FROM users WHERE id = 1 FOR UPDATE");
          await c.query("UPDATE users SET rating = $1 WHERE id = 1", [rows[0].rating + 1]);
          await c.query("COMMIT");
        }
      }),
    );
    expect(await rows("SELECT rating FROM users WHERE id = 1")).toEqual([{ rating: 200 }]);
    await Promise.all(clients.map((c) => c.end()));
  });

  test("a waiting statement can be cancelled", async () => {
    const second = await served.connect();
    await client.query("BEGIN");
    await client.query("UPDATE regions SET name = name WHERE id = 1");
    const waiting = second.query("UPDATE regions SET name = name WHERE id = 2");
    waiting.catch(() => {});
    await client.query("SELECT 1");
    const key = second as unknown as { processID: number; secretKey: number };
    const packet = Buffer.alloc(16);
    [16, 80877102, key.processID, key.secretKey].forEach((n, i) => {
      packet.writeInt32BE(n, i * 4);
    });
    const socket = connect(served.port, "127.0.0.1");
    socket.end(packet);
    await expect(waiting).rejects.toMatchObject({ code: "57014" });
    await client.query("ROLLBACK");
    await second.end();
  });
});

/** Sends bytes after a good startup (or instead of it) and gives all that comes back. */
async function raw(bytes: Buffer, startup = true): Promise<string> {
  const socket = connect(served.port, "127.0.0.1");
  await once(socket, "connect");
  const parts: Buffer[] = [];
  socket.on("data", (chunk) => parts.push(chunk));
  socket.on("error", () => {});
  if (startup) {
    const body = Buffer.from("\0\x03\0\0user\0x\0\0", "latin1");
    const head = Buffer.alloc(4);
    head.writeInt32BE(body.length + 4);
    socket.write(Buffer.concat([head, body]));
  }
  socket.end(bytes);
  await once(socket, "close");
  return Buffer.concat(parts).toString("latin1");
}

describe("a hostile client", () => {
  test("malformed message: FATAL 08P01, and the connection ends", async () => {
    expect(await raw(Buffer.from([0x51, 0, 0, 0, 2]))).toMatch(/SFATAL\0VFATAL\0C08P01/);
    expect(await raw(Buffer.from("GET / HTTP/1.1\r\n\r\n"), false)).toMatch(/C08P01/);
  });

  test("startup without a user, and a protocol of the past", async () => {
    expect(await raw(Buffer.from("\0\0\0\x09\0\x03\0\0\0", "latin1"), false)).toContain("C28000");
    expect(await raw(Buffer.from("\0\0\0\x08\0\x02\0\0", "latin1"), false)).toContain("C0A000");
  });

  test("TLS and GSSAPI are declined with N", async () => {
    expect(await raw(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), false)).toBe("N");
    expect(await raw(Buffer.from([0, 0, 0, 8, 4, 210, 22, 48]), false)).toBe("N");
  });

  test("after an error everything up to Sync is skipped", async () => {
    const parse = Buffer.from("P\0\0\0\x0f\0selec 1\0\0\0", "latin1");
    parse.writeInt32BE(parse.length - 1, 1);
    const execute = Buffer.from("E\0\0\0\x09\0\0\0\0\0", "latin1");
    const sync = Buffer.from("S\0\0\0\x04", "latin1");
    const answer = await raw(Buffer.concat([parse, execute, sync]));
    expect(answer.match(/SERROR/g)).toHaveLength(1);
    expect(answer).toMatch(/C42601/);
    expect(answer.endsWith("Z\0\0\0\x05I")).toBe(true);
  });

  test("a result beyond all bounds is refused, and the statement is ended", async () => {
    const c = await served.connect();
    await expect(
      c.query("SELECT a.description FROM old_items a, old_items b, old_items c"),
    ).rejects.toMatchObject({ code: "54000" });
    expect((await c.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await c.query("UPDATE regions SET name = name WHERE id = 1");
    await c.end();
  });

  test.each([
    ["many words", "select ".repeat(100_000)],
    ["deep brackets", `SELECT ${"(".repeat(9_000)}1${")".repeat(9_000)}`],
    ["many casts", `SELECT 1${"::int".repeat(6_000)}`],
    ["many parameters", `SELECT 1 WHERE 1 IN (${"$1,".repeat(9_000)}$1)`],
  ])("%s in one statement are dealt with in time", async (_name, sql) => {
    const c = await served.connect();
    const begin = performance.now();
    // Whether it runs or is refused: it must not hold up the others.
    await c.query(sql, sql.includes("$1") ? [1] : undefined).catch(() => {});
    expect(performance.now() - begin).toBeLessThan(30_000);
    await c.end().catch(() => {});
    expect(await rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("no bytes stop the server", async () => {
    const messages = fc.array(
      fc.tuple(fc.constantFrom(..."QPBDECSHpFdcfX".split("")), fc.uint8Array({ maxLength: 40 })),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(messages, fc.boolean(), async (list, startup) => {
        const bytes = list.map(([code, body]) => {
          const head = Buffer.alloc(5);
          head.write(code);
          head.writeInt32BE(body.length + 4, 1);
          return Buffer.concat([head, body]);
        });
        await raw(Buffer.concat(bytes), startup);
      }),
      { numRuns: 150 },
    );
    expect(await rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });
});

const psql = spawnSync("psql", ["--version"]).status === 0;

test.skipIf(!psql)(`psql connects and reads${psql ? "" : " (skipped: no psql here)"}`, () => {
  // Asynchronous children only: the server runs in this process.
  return new Promise<void>((resolve, reject) => {
    import("node:child_process").then(({ execFile }) => {
      const url = `postgres://rubis@127.0.0.1:${served.port}/rubis`;
      execFile(
        "psql",
        [url, "-Atc", "SELECT id, name FROM categories ORDER BY id LIMIT 2", "-c", "SELECT nope"],
        (_error, stdout, stderr) => {
          try {
            expect(stdout).toBe("1|Antiques & Art\n2|Books\n");
            expect(stderr).toContain('column "nope" does not exist');
            resolve();
          } catch (e) {
            reject(e as Error);
          }
        },
      );
    }, reject);
  });
});
