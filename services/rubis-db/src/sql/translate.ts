import { PgError } from "../wire/errors.ts";
import { oid, typeByName } from "../wire/types.ts";
import { isOp, isWord, opening, type Token } from "./tokens.ts";

/**
 * PostgreSQL's SQL to SQLite's, token by token. The two agree on nearly all that RUBiS needs; what
 * differs and is carried over: `$n`, `expr::type`, E'' and $$ $$ strings, `now()` and its kin,
 * `FOR UPDATE` (there is one writer, so the lock is always held), the schema `public`, and the
 * declarations of identity columns. Anything else goes through as it is, and is SQLite's to refuse.
 */
export interface Translation {
  sql: string;
  /** The number of parameters that the client gives. */
  parameters: number;
  /** The extra parameter, after the client's, that takes the clock; 0 if the text has none. */
  clockParameter: number;
  /** It had a locking clause. */
  locks: boolean;
}

function quoteString(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

const storage = new Map<number, string>([
  [oid.bool, "INTEGER"],
  [oid.int2, "INTEGER"],
  [oid.int4, "INTEGER"],
  [oid.int8, "INTEGER"],
  [oid.float4, "REAL"],
  [oid.float8, "REAL"],
  [oid.numeric, "REAL"],
  [oid.bytea, "BLOB"],
]);

/** Reads a type name at `i`; gives its OID and the index after it. */
export function typeNameAt(tokens: readonly Token[], i: number): { type: number; next: number } {
  const first = tokens[i];
  if (first?.kind !== "word" && first?.kind !== "quoted")
    throw new PgError("syntax_error", `syntax error at or near "${first?.text ?? "end of input"}"`);
  let name = first.text;
  let next = i + 1;
  if (isWord(first, "double") && isWord(tokens[next], "precision")) name = "double precision";
  if (isWord(first, "character") && isWord(tokens[next], "varying")) name = "character varying";
  if (name.includes(" ")) next++;
  if (isOp(tokens[next], "(")) while (next < tokens.length && !isOp(tokens[next++], ")"));
  if (isWord(first, "timestamp", "time") && isWord(tokens[next], "with", "without")) {
    name += ` ${tokens[next]?.text} time zone`;
    next += 3;
  }
  const type = typeByName(name);
  if (type === undefined) throw new PgError("undefined_object", `type "${name}" does not exist`);
  return { type, next };
}

/** The first token of the primary expression that ends at `end`: `a.b`, `f(...)`, `(...)`, `$1`. */
function primaryStart(tokens: readonly Token[], end: number): number {
  let i = end;
  if (isOp(tokens[i], ")")) {
    i = opening(tokens, i);
    if (i < 0) throw new PgError("syntax_error", 'syntax error at or near ")"');
    if (tokens[i - 1]?.kind === "word" && !isWord(tokens[i - 1], ...reservedBeforeBracket)) i--;
  }
  while (isOp(tokens[i - 1], ".") && i >= 2) i -= 2;
  return i;
}

const reservedBeforeBracket = [
  "select",
  "in",
  "and",
  "or",
  "not",
  "where",
  "values",
  "then",
  "else",
];

/** `FOR UPDATE [OF t, ...] [NOWAIT | SKIP LOCKED]`, at the end of a SELECT. */
function lockingClauseEnd(tokens: readonly Token[], i: number): number {
  if (!isWord(tokens[i], "for")) return i;
  let j = i + 1;
  if (isWord(tokens[j], "no") && isWord(tokens[j + 1], "key")) j += 2;
  else if (isWord(tokens[j], "key")) j++;
  if (!isWord(tokens[j], "update", "share")) return i;
  j++;
  if (isWord(tokens[j], "of")) {
    j += 2;
    while (isOp(tokens[j], ",")) j += 2;
  }
  if (isWord(tokens[j], "nowait")) j++;
  else if (isWord(tokens[j], "skip")) j += 2;
  return j;
}

const clockFunctions = ["now", "transaction_timestamp", "statement_timestamp", "clock_timestamp"];

export function translate(tokens: readonly Token[]): Translation {
  let parameters = 0;
  for (const token of tokens) {
    if (token.kind !== "parameter") continue;
    const n = Number(token.text);
    if (n < 1 || n > 32_000)
      throw new PgError("undefined_parameter", `there is no parameter $${token.text}`);
    parameters = Math.max(parameters, n);
  }
  const clockParameter = parameters + 1;
  let clock = false;
  let locks = false;
  // out[k] is the text of the tokens from index from[k]; a cast wraps what lies before it.
  const out: string[] = [];
  const from: number[] = [];
  const put = (text: string, index: number) => {
    out.push(text);
    from.push(index);
  };
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    const next = tokens[i + 1];
    if (token.kind === "parameter") put(`?${Number(token.text)}`, i);
    else if (token.kind === "string") put(quoteString(token.text), i);
    else if (token.kind === "quoted") put(quoteName(token.text), i);
    else if (isOp(token, "::")) {
      const { type, next: after } = typeNameAt(tokens, i + 1);
      const start = primaryStart(tokens, i - 1);
      const k = from.findIndex((f) => f >= start);
      const inner = out.splice(k).join(" ");
      from.splice(k);
      put(castTo(type, inner), start);
      i = after - 1;
    } else if (token.kind === "word" && !isOp(tokens[i - 1], ".")) {
      const locked = lockingClauseEnd(tokens, i);
      if (locked > i) {
        locks = true;
        i = locked - 1;
      } else if (isWord(token, "current_timestamp", "localtimestamp")) {
        clock = true;
        put(`?${clockParameter}`, i);
      } else if (isWord(token, "current_date")) {
        clock = true;
        put(`substr(?${clockParameter}, 1, 10)`, i);
      } else if (isWord(token, ...clockFunctions) && isOp(next, "(") && isOp(tokens[i + 2], ")")) {
        clock = true;
        put(`?${clockParameter}`, i);
        i += 2;
      } else if (isWord(token, "version") && isOp(next, "(") && isOp(tokens[i + 2], ")")) {
        put(quoteString(serverTitle), i);
        i += 2;
      } else if (isWord(token, "public") && isOp(next, ".")) put("main", i);
      else if (isWord(token, "generated") && isWord(tokens[i + 1], "always", "by")) {
        // GENERATED { ALWAYS | BY DEFAULT } AS IDENTITY: an INTEGER PRIMARY KEY does that here.
        while (i + 1 < tokens.length && !isWord(tokens[i], "identity")) i++;
      } else put(token.text, i);
    } else put(token.text, i);
  }
  return { sql: out.join(" "), parameters, clockParameter: clock ? clockParameter : 0, locks };
}

function castTo(type: number, inner: string): string {
  if (type === oid.timestamp || type === oid.timestamptz) return `datetime(${inner})`;
  if (type === oid.date) return `date(${inner})`;
  return `CAST(${inner} AS ${storage.get(type) ?? "TEXT"})`;
}

const serverTitle = "PostgreSQL 15.0 compatible (Outsock rubis-db over SQLite)";
