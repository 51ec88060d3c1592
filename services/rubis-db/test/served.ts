import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { buildServer } from "../src/app.ts";
import { Engine } from "../src/engine/engine.ts";
import type { ResultCache } from "../src/engine/result-cache.ts";
import { writeSqlite } from "../src/loader/sqlite-file.ts";

export const reference = Date.UTC(2025, 0, 1);

export interface Served {
  port: number;
  connect: () => Promise<pg.Client>;
  stop: () => Promise<void>;
}

/** A database server in this process, on a small data set of its own. */
export async function serve(results: ResultCache | null = null): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), "rubis-db-test-"));
  const file = join(directory, "rubis.sqlite");
  writeSqlite(file, { scale: 0.02, seed: 7, reference });
  const engine = new Engine(file, () => reference, results);
  const { server, close } = buildServer(engine);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients: pg.Client[] = [];
  return {
    port,
    connect: async () => {
      const client = new pg.Client({ host: "127.0.0.1", port, user: "rubis", database: "rubis" });
      client.on("error", () => {});
      clients.push(client);
      await client.connect();
      return client;
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.end().catch(() => {})));
      await close();
      engine.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
