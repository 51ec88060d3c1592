import { existsSync, rmSync } from "node:fs";
import Sqlite from "libsql";
import { formatTimestamp } from "../wire/types.ts";
import { type Cell, type DataSetOptions, generate } from "./dataset.ts";
import { createIndexes, createTable, tables } from "./schema.ts";

/** Raise it when the rows for the same options change: cached files of another version are not used. */
export const loaderVersion = 1;

/** Writes the data set as a new SQLite file. */
export function writeSqlite(file: string, options: DataSetOptions): void {
  const db = new Sqlite(file);
  try {
    // The file is worthless until it is complete, and is renamed into place then.
    for (const pragma of [
      "page_size = 8192",
      "journal_mode = OFF",
      "synchronous = OFF",
      "cache_size = -131072",
    ])
      db.exec(`PRAGMA ${pragma}`);
    db.exec("BEGIN");
    for (const table of tables) db.exec(createTable(table, "sqlite"));
    db.exec(
      "CREATE TABLE rubis_dataset (scale REAL, seed INTEGER, reference TIMESTAMP, version INTEGER)",
    );
    const insert = new Map(
      tables.map((table) => {
        const marks = table.columns.map((_, i) => `?${i + 1}`).join(", ");
        return [table.name, db.prepare<Cell[]>(`INSERT INTO ${table.name} VALUES (${marks})`)];
      }),
    );
    // Passing the array itself spares the binding a copy; the types know only spread arguments.
    generate(options, (table, row) => insert.get(table)?.run(row as never));
    for (const table of tables) for (const index of createIndexes(table)) db.exec(index);
    // New items go on where both tables end.
    db.exec(
      "UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM sqlite_sequence WHERE name IN ('items', 'old_items')) WHERE name IN ('items', 'old_items')",
    );
    db.prepare<Cell[]>("INSERT INTO rubis_dataset VALUES (?1, ?2, ?3, ?4)").run(
      options.scale,
      options.seed,
      formatTimestamp(options.reference),
      loaderVersion,
    );
    db.exec("ANALYZE");
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

/** The moment that a file of `writeSqlite` calls now; null if it is no such file. */
export function readReference(file: string): number | null {
  if (!existsSync(file)) return null;
  const db = new Sqlite(file, { readonly: true });
  try {
    const rows = db
      .prepare<[]>("SELECT reference FROM rubis_dataset")
      .raw(true)
      .all() as string[][];
    const text = rows[0]?.[0];
    return text ? Date.parse(`${text.replace(" ", "T")}Z`) : null;
  } catch {
    return null;
  } finally {
    db.close();
  }
}

/** Moves every date by the same time, so that the auctions of an old file run again. */
export function moveReference(file: string, reference: number): void {
  const from = readReference(file);
  if (from === null || from === reference) return;
  const shift = `${(reference - from) / 1000} seconds`;
  const db = new Sqlite(file);
  try {
    for (const pragma of ["journal_mode = OFF", "synchronous = OFF", "cache_size = -131072"])
      db.exec(`PRAGMA ${pragma}`);
    db.exec("BEGIN");
    for (const table of tables) {
      const dates = table.columns.filter(([, type]) => type === "timestamp");
      if (dates.length === 0) continue;
      const sets = dates.map(([name]) => `${name} = datetime(${name}, '${shift}')`);
      db.exec(`UPDATE ${table.name} SET ${sets.join(", ")}`);
    }
    db.exec(`UPDATE rubis_dataset SET reference = datetime(reference, '${shift}')`);
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

/** A file and what SQLite keeps beside it. */
export function removeDatabase(file: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(file + suffix, { force: true });
}
