import type { ColumnTypes } from "../sql/infer.ts";
import { splitStatements, type Token, tokenize } from "../sql/tokens.ts";
import { PgError } from "../wire/errors.ts";
import { formatTimestamp, oid, typeByName, type Value } from "../wire/types.ts";
import { Connection, type Row } from "./connection.ts";
import { makePlan, type Plan } from "./plan.ts";
import type { ResultCache } from "./result-cache.ts";
import { fromSqlite } from "./sqlite-errors.ts";

export interface Outcome {
  rows: Row[] | null;
  changes: number;
}

interface Waiter {
  owner: object;
  proceed: (error: PgError | null) => void;
  timer: NodeJS.Timeout;
}

const maxPlans = 2_000;
/** What is found out about a statement takes time with the square of its length at worst. */
const maxTokens = 20_000;
const lockTimeoutMs = 30_000;

/**
 * The database behind all sessions: two connections to one file in WAL mode.
 *
 * - `shared` runs the statements outside transaction blocks, of all sessions in turn: each is
 *   atomic because SQLite runs it to its end before anything else happens in this process.
 * - `block` belongs to the one session that is in a transaction block. SQLite has one writer, so
 *   a block takes the write lock at BEGIN; others that want to write or begin wait in a queue.
 *   Readers do not wait: they see the last commit (PostgreSQL's READ COMMITTED).
 */
export class Engine {
  readonly #shared: Connection;
  readonly #block: Connection;
  readonly #plans = new Map<string, Plan>();
  readonly #now: () => number;
  readonly #results: ResultCache | null;
  readonly #waiters: Waiter[] = [];
  #owner: object | null = null;
  #types: Map<string, number> | null = null;

  /** `now` gives the clock in milliseconds, in UTC. `results` keeps those of reads, if given. */
  constructor(file: string, now: () => number, results: ResultCache | null = null) {
    this.#shared = new Connection(file);
    this.#block = new Connection(file);
    this.#now = now;
    this.#results = results;
  }

  close(): void {
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.proceed(new PgError("admin_shutdown", "the server is shutting down", {}, true));
    }
    this.#block.close();
    this.#shared.close();
  }

  owns(session: object): boolean {
    return this.#owner === session;
  }

  /** True: the session may write at once. */
  get free(): boolean {
    return this.#owner === null;
  }

  /** Takes the write lock, now or when its turn comes. */
  acquire(session: object, proceed: (error: PgError | null) => void): void {
    if (this.#owner === null) {
      this.#owner = session;
      proceed(null);
      return;
    }
    const timer = setTimeout(() => {
      this.cancel(session, new PgError("lock_not_available", "timeout waiting for the write lock"));
    }, lockTimeoutMs);
    this.#waiters.push({ owner: session, proceed, timer });
  }

  /** Ends the wait of a session, if it waits. */
  cancel(session: object, error: PgError): boolean {
    const i = this.#waiters.findIndex((w) => w.owner === session);
    if (i < 0) return false;
    const [waiter] = this.#waiters.splice(i, 1);
    clearTimeout(waiter?.timer);
    waiter?.proceed(error);
    return true;
  }

  release(session: object): void {
    if (this.#owner !== session) return;
    const next = this.#waiters.shift();
    this.#owner = next?.owner ?? null;
    if (!next) return;
    clearTimeout(next.timer);
    // Not in this stack: the releasing session still has messages to answer.
    setImmediate(next.proceed, null);
  }

  /** The session must own the lock. */
  begin(): void {
    this.#block.exec("BEGIN IMMEDIATE");
  }

  /** A COMMIT that fails is rolled back. */
  commit(): void {
    try {
      this.#block.exec("COMMIT");
    } catch (e) {
      this.rollback();
      throw fromSqlite(e);
    }
  }

  rollback(): void {
    try {
      this.#block.exec("ROLLBACK");
    } catch {
      // Some failures make SQLite roll back by itself; then there is nothing left to undo.
    }
  }

  /** SAVEPOINT, RELEASE and ROLLBACK TO; `name` is quoted by the caller. */
  savepoint(sql: string): void {
    try {
      this.#block.exec(sql);
    } catch (e) {
      throw fromSqlite(e);
    }
  }

  /** `declared` are the parameter types that the client gave with Parse. */
  plan(text: string, declared: readonly number[]): Plan | null {
    const key = declared.length === 0 ? text : `${declared.join()} ${text}`;
    const found = this.#plans.get(key);
    if (found) return found;
    const statements = splitStatements(tokenize(text));
    if (statements.length > 1)
      throw new PgError(
        "syntax_error",
        "cannot insert multiple commands into a prepared statement",
      );
    const only = statements[0];
    if (!only) return null;
    const plan = this.planTokens(only, declared);
    if (this.#plans.size >= maxPlans) this.#plans.clear();
    this.#plans.set(key, plan);
    return plan;
  }

  planTokens(tokens: readonly Token[], declared: readonly number[]): Plan {
    if (tokens.length > maxTokens)
      throw new PgError("program_limit_exceeded", "the statement is too long");
    try {
      // A table made in the block is not visible to the shared connection before its commit.
      const connection = this.#owner ? this.#block : this.#shared;
      return makePlan(tokens, declared, this.#columnTypes, (sql) => connection.columns(sql));
    } catch (e) {
      throw fromSqlite(e);
    }
  }

  execute(session: object, plan: Plan, values: readonly Value[]): Outcome {
    const connection = this.#owner === session ? this.#block : this.#shared;
    // A block sees what is stored: it checks before it writes.
    const results =
      plan.kind === "read" && connection === this.#shared && !plan.locks ? this.#results : null;
    const key = results?.key(plan.sql, values) ?? "";
    const kept = results?.get(key);
    if (kept) return { rows: kept, changes: 0 };
    let bound = values;
    if (plan.clockParameter > 0) bound = [...values, formatTimestamp(this.#now())];
    try {
      const outcome = connection.execute(plan.sql, bound);
      if (outcome.rows) results?.put(key, outcome.rows);
      if (plan.kind === "define") this.#forget();
      return outcome;
    } catch (e) {
      throw fromSqlite(e);
    }
  }

  #forget(): void {
    this.#plans.clear();
    this.#types = null;
    this.#shared.forget();
    this.#block.forget();
  }

  /**
   * The type of a column by its bare name, over all tables. A name that has two types in two
   * tables has none here; the schema of RUBiS has no such name.
   */
  readonly #columnTypes: ColumnTypes = (column) => {
    this.#types ??= this.#readTypes();
    return this.#types.get(column.toLowerCase()) ?? oid.unknown;
  };

  #readTypes(): Map<string, number> {
    const { rows } = this.#shared.execute(
      "SELECT lower(c.name), c.type FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type IN ('table', 'view')",
      [],
    );
    const out = new Map<string, number>();
    for (const [name, declaration] of rows ?? []) {
      const type = typeByName(String(declaration)) ?? oid.unknown;
      const before = out.get(String(name));
      out.set(String(name), before === undefined || before === type ? type : oid.unknown);
    }
    return out;
  }
}
