import pg from "pg";

type Value = string | number;

/** Anything that runs a statement: the pool, or the one client of a transaction. */
export interface Queryable {
  /** A named statement: its server parses and plans it once for each connection. */
  all: <Row>(statement: Statement, ...values: Value[]) => Promise<Row[]>;
  first: <Row>(statement: Statement, ...values: Value[]) => Promise<Row | null>;
}

export interface Database extends Queryable {
  transaction: <T>(work: (t: Queryable) => Promise<T>) => Promise<T>;
  close: () => Promise<void>;
}

export interface Statement {
  name: string;
  text: string;
}

export function statement(name: string, text: string): Statement {
  return { name, text: text.replace(/\s+/g, " ").trim() };
}

const int8 = 20;
const timestamp = 1114;

/** Counts are small; times stay the text `YYYY-MM-DD HH:MM:SS`, in UTC, as they are stored. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") => {
    if (oid === int8) return Number;
    if (oid === timestamp) return (text: string) => text.slice(0, 19);
    return pg.types.getTypeParser(oid, format as "text");
  },
};

function over(client: pg.Pool | pg.PoolClient): Queryable {
  async function all<Row>({ name, text }: Statement, ...values: Value[]): Promise<Row[]> {
    return (await client.query({ name, text, values })).rows as Row[];
  }
  async function first<Row>(s: Statement, ...values: Value[]): Promise<Row | null> {
    return (await all<Row>(s, ...values))[0] ?? null;
  }
  return { all, first };
}

export function openDatabase(connectionString: string, max: number): Database {
  const pool = new pg.Pool({
    connectionString,
    max,
    types,
    connectionTimeoutMillis: 5_000,
    // Connections stay: what is measured is the interactions, not the connecting.
    idleTimeoutMillis: 0,
    keepAlive: true,
    application_name: "rubis-app",
  });
  // An idle connection that breaks leaves the pool; the next request opens another.
  pool.on("error", () => {});

  async function transaction<T>(work: (t: Queryable) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query("BEGIN");
      const result = await work(over(client));
      await client.query("COMMIT");
      return result;
    } catch (e) {
      await client.query("ROLLBACK").catch(() => {
        broken = true;
      });
      throw e;
    } finally {
      client.release(broken);
    }
  }

  return { ...over(pool), transaction, close: () => pool.end() };
}
