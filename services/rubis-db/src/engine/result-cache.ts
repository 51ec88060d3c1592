import type { Value } from "../wire/types.ts";
import type { Row } from "./connection.ts";

const maxEntries = 10_000;
/** Larger results are not worth the memory. */
const maxRows = 100;

interface Entry {
  rows: Row[];
  until: number;
}

/**
 * Results of reads, kept for a while whatever is written meanwhile: what a replica that lags that
 * much would answer. It takes the database's work out of a benchmark of what is around it.
 */
export class ResultCache {
  readonly #entries = new Map<string, Entry>();
  readonly #keptMs: number;
  readonly #now: () => number;

  /** `now` gives the milliseconds of a monotonic clock. */
  constructor(keptMs: number, now: () => number) {
    this.#keptMs = keptMs;
    this.#now = now;
  }

  /** The statement's own values only: the clock's second would make every key a new one. */
  key(sql: string, values: readonly Value[]): string {
    const texts = values.map(
      (value) => `${typeof value}${Buffer.isBuffer(value) ? value.toString("hex") : value}`,
    );
    return [sql, ...texts].join("\0");
  }

  get(key: string): Row[] | null {
    const entry = this.#entries.get(key);
    return entry && this.#now() < entry.until ? entry.rows : null;
  }

  put(key: string, rows: Row[]): void {
    if (rows.length > maxRows) return;
    if (this.#entries.size >= maxEntries) this.#entries.clear();
    this.#entries.set(key, { rows, until: this.#now() + this.#keptMs });
  }
}
