import { type Condition, PgError } from "../wire/errors.ts";

interface SqliteError extends Error {
  code?: unknown;
}

function constraint(
  message: string,
  suffix: string,
): { table: string; name: string; keys: string } {
  const columns = message
    .slice(message.indexOf(":") + 1)
    .split(",")
    .map((c) => c.trim());
  const table = columns[0]?.split(".")[0] ?? "";
  const keys = columns.map((c) => c.split(".")[1] ?? c);
  return { table, name: `${table}_${keys.join("_")}_${suffix}`, keys: keys.join(", ") };
}

const byCode: Record<string, [Condition, string?]> = {
  SQLITE_BUSY: ["lock_not_available", "the database is locked by another process"],
  SQLITE_FULL: ["disk_full", "could not extend the database: no space left on device"],
  SQLITE_READONLY: ["read_only_sql_transaction", "the database file is read-only"],
  SQLITE_CORRUPT: ["data_corrupted"],
  SQLITE_NOTADB: ["data_corrupted"],
  SQLITE_TOOBIG: ["program_limit_exceeded"],
  SQLITE_RANGE: ["undefined_parameter"],
  SQLITE_MISMATCH: ["invalid_text_representation"],
  SQLITE_AUTH: ["feature_not_supported"],
};

/** SQLite says most of it in words; these are the words (sqlite3 3.45, src/build.c and resolve.c). */
const byMessage: [RegExp, Condition, (m: RegExpExecArray) => string][] = [
  [
    /^no such table: (?:main\.)?(.*)/,
    "undefined_table",
    (m) => `relation "${m[1]}" does not exist`,
  ],
  [/^no such column: (.*)/, "undefined_column", (m) => `column "${m[1]}" does not exist`],
  [
    /^table (\S+) has no column named (.*)/,
    "undefined_column",
    (m) => `column "${m[2]}" of relation "${m[1]}" does not exist`,
  ],
  [/^no such function: (.*)/, "undefined_function", (m) => `function ${m[1]} does not exist`],
  [
    /^wrong number of arguments to function (.*)/,
    "undefined_function",
    (m) => `function ${m[1]} does not exist`,
  ],
  [
    /^ambiguous column name: (.*)/,
    "ambiguous_column",
    (m) => `column reference "${m[1]}" is ambiguous`,
  ],
  [
    /^(?:table|index|view) "?(\S+?)"? already exists/,
    "duplicate_table",
    (m) => `relation "${m[1]}" already exists`,
  ],
  [/^no such (?:index|view): (.*)/, "undefined_object", (m) => `"${m[1]}" does not exist`],
  [/misuse of (?:window |aggregate )?(?:function|aggregate)/, "grouping_error", (m) => m.input],
  [/^near "([\s\S]*)": syntax error/, "syntax_error", (m) => `syntax error at or near "${m[1]}"`],
  [/^incomplete input/, "syntax_error", () => "syntax error at end of input"],
  [
    /^unrecognized token|syntax error|values for \d+ columns|must have the same number|term out of range|row value misused|do not have the same number/,
    "syntax_error",
    (m) => m.input,
  ],
  [
    /^no such savepoint: (.*)/,
    "invalid_savepoint_specification",
    (m) => `savepoint "${m[1]}" does not exist`,
  ],
  [
    /too (?:many|much|big|large)|parser stack overflow|expression tree/i,
    "program_limit_exceeded",
    (m) => m.input,
  ],
  [/^not authorized/, "feature_not_supported", () => "this function is not allowed here"],
  [/integer overflow/, "numeric_value_out_of_range", () => "bigint out of range"],
];

/** What SQLite threw, as the error that PostgreSQL would give. */
export function fromSqlite(e: unknown): PgError {
  if (e instanceof PgError) return e;
  const error = e as SqliteError;
  const message = error instanceof Error ? error.message : String(e);
  const code = typeof error.code === "string" ? error.code : "";
  if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY") {
    const primary = code.endsWith("PRIMARYKEY");
    const { table, name, keys } = constraint(message, "key");
    const key = primary ? `${table}_pkey` : name;
    return new PgError(
      "unique_violation",
      `duplicate key value violates unique constraint "${key}"`,
      { table, constraint: key, detail: `Key (${keys}) already exists.` },
    );
  }
  if (code === "SQLITE_CONSTRAINT_NOTNULL") {
    const { table, keys } = constraint(message, "not_null");
    return new PgError(
      "not_null_violation",
      `null value in column "${keys}" of relation "${table}" violates not-null constraint`,
      { table, column: keys },
    );
  }
  if (code === "SQLITE_CONSTRAINT_FOREIGNKEY")
    return new PgError("foreign_key_violation", "insert or update violates foreign key constraint");
  if (code.startsWith("SQLITE_CONSTRAINT")) return new PgError("check_violation", message);
  for (const [pattern, condition, text] of byMessage) {
    const m = pattern.exec(message);
    if (m) return new PgError(condition, text(m));
  }
  const known = byCode[code] ?? Object.entries(byCode).find(([c]) => code.startsWith(`${c}_`))?.[1];
  if (known) return new PgError(known[0], known[1] ?? message);
  if (code.startsWith("SQLITE_IOERR")) return new PgError("io_error", message);
  return new PgError("internal_error", message);
}
