import Sqlite from "libsql";
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
    // `all` and `run` only: `get` of libsql 0.5 reuses the values bound by an earlier `all`.
    if (reader) return { rows: statement.all(values) as Row[], changes: 0 };
    return { rows: null, changes: statement.run(values).changes };
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
