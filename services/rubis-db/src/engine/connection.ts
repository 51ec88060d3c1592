import Sqlite from "libsql";
import { PgError } from "../wire/errors.ts";
import type { Value } from "../wire/types.ts";

export type Row = Value[];

interface Prepared {
  statement: Sqlite.Statement<unknown[]>;
  reader: boolean;
}

export interface SourceColumn {
  name: string;
  /** The declaration of the table's column; null for an expression. */
  type: string | null;
}

const maxCached = 500;
/** A join without its condition must not take all memory. */
const maxResult = 256 * 1024 * 1024;
const rowOverhead = 64;

/** libsql's own addition to the interface of better-sqlite3, which its types leave out. */
function interrupt(db: Sqlite.Database): void {
  (db as unknown as { interrupt: () => void }).interrupt();
}

/** One SQLite connection with its prepared statements, kept by their text. */
export class Connection {
  readonly #db: Sqlite.Database;
  readonly #cache = new Map<string, Prepared>();

  constructor(file: string) {
    this.#db = new Sqlite(file);
    // synchronous=OFF: a benchmark's data is made anew at each start, so nothing is gained by
    // waiting for the disk. WAL: readers see the last commit while a transaction writes.
    for (const pragma of [
      "journal_mode = WAL",
      "synchronous = OFF",
      "cache_size = -65536",
      "mmap_size = 1073741824",
      "temp_store = MEMORY",
      "foreign_keys = ON",
      "trusted_schema = OFF",
    ])
      this.#db.exec(`PRAGMA ${pragma}`);
  }

  /** An own statement of the server, outside the cache. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  columns(sql: string): SourceColumn[] {
    const { statement, reader } = this.#prepare(sql);
    return reader ? statement.columns().map(({ name, type }) => ({ name, type })) : [];
  }

  /** Rows of a statement that returns some; the number of changed rows of one that does not. */
  execute(sql: string, values: readonly Value[]): { rows: Row[] | null; changes: number } {
    const { statement, reader } = this.#prepare(sql);
    if (reader) return { rows: this.#rows(statement, values), changes: 0 };
    return { rows: null, changes: statement.run(values).changes };
  }

  /** Not by `get`: in libsql 0.5 it reuses the values that an earlier call bound. */
  #rows(statement: Sqlite.Statement<unknown[]>, values: readonly Value[]): Row[] {
    const rows: Row[] = [];
    let size = 0;
    const iterator = statement.iterate(values) as IterableIterator<Row>;
    for (const row of iterator) {
      rows.push(row);
      size += rowOverhead;
      for (const cell of row) if (typeof cell === "string") size += cell.length;
      if (size > maxResult) {
        // The statement must not stay open: its next step ends it.
        interrupt(this.#db);
        try {
          for (const _ of iterator);
        } catch {
          // SQLITE_INTERRUPT
        }
        throw new PgError("program_limit_exceeded", `the result is larger than ${maxResult} bytes`);
      }
    }
    return rows;
  }

  forget(): void {
    this.#cache.clear();
  }

  close(): void {
    this.forget();
    this.#db.close();
  }

  #prepare(sql: string): Prepared {
    const found = this.#cache.get(sql);
    if (found) return found;
    const statement = this.#db.prepare<unknown[]>(sql);
    const reader = statement.reader;
    if (reader) statement.raw(true);
    const prepared = { statement, reader };
    if (this.#cache.size >= maxCached) {
      const oldest = this.#cache.keys().next();
      if (!oldest.done) this.#cache.delete(oldest.value);
    }
    this.#cache.set(sql, prepared);
    return prepared;
  }
}
