import {
  type ColumnTypes,
  defaultName,
  itemType,
  parameterTypes,
  resultItems,
  withAliases,
} from "../sql/infer.ts";
import { isOp, isWord, type Token } from "../sql/tokens.ts";
import { translate } from "../sql/translate.ts";
import type { Column } from "../wire/backend.ts";
import { PgError } from "../wire/errors.ts";
import { oid, typeByName } from "../wire/types.ts";
import type { SourceColumn } from "./connection.ts";

type Kind =
  | "read"
  | "write"
  | "define"
  | "begin"
  | "commit"
  | "rollback"
  | "savepoint"
  | "rollbackTo"
  | "release"
  | "set"
  | "show"
  | "discard"
  | "deallocate";

/** What a statement is, found once for its text: kind, SQL for SQLite, types. */
export interface Plan {
  kind: Kind;
  /** The first word or words of the command tag. */
  tag: string;
  sql: string;
  parameters: number;
  parameterTypes: number[];
  clockParameter: number;
  /** SELECT ... FOR UPDATE or FOR SHARE. */
  locks: boolean;
  /** Null: the statement returns no rows. */
  columns: Column[] | null;
  /** The words of a statement that the server runs itself (SET, SHOW, ...). */
  tokens: readonly Token[];
}

const kinds: Record<string, Kind> = {
  select: "read",
  values: "read",
  insert: "write",
  update: "write",
  delete: "write",
  create: "define",
  drop: "define",
  alter: "define",
  begin: "begin",
  start: "begin",
  commit: "commit",
  end: "commit",
  rollback: "rollback",
  abort: "rollback",
  savepoint: "savepoint",
  release: "release",
  set: "set",
  reset: "set",
  show: "show",
  discard: "discard",
  deallocate: "deallocate",
};

/** A WITH query writes if any statement in it does; SQLite allows that at the outermost level. */
function withKind(tokens: readonly Token[]): { kind: Kind; tag: string } {
  let depth = 0;
  for (const token of tokens) {
    if (isOp(token, "(")) depth++;
    else if (isOp(token, ")")) depth--;
    else if (depth === 0 && isWord(token, "insert", "update", "delete"))
      return { kind: "write", tag: token.text.toUpperCase() };
  }
  return { kind: "read", tag: "SELECT" };
}

function classify(tokens: readonly Token[]): { kind: Kind; tag: string } {
  const first = tokens[0];
  if (isWord(first, "with")) return withKind(tokens);
  const kind =
    first?.kind === "word" && Object.hasOwn(kinds, first.text) ? kinds[first.text] : undefined;
  if (!first || !kind) {
    if (isOp(first, "(")) return { kind: "read", tag: "SELECT" };
    const known = isWord(
      first,
      "copy",
      "explain",
      "truncate",
      "vacuum",
      "analyze",
      "listen",
      "lock",
    );
    throw new PgError(
      known ? "feature_not_supported" : "syntax_error",
      known
        ? `${first?.text.toUpperCase()} is not supported by this server`
        : `syntax error at or near "${first?.text ?? ""}"`,
    );
  }
  if (kind === "rollback" && tokens.some((t) => isWord(t, "to")))
    return { kind: "rollbackTo", tag: "ROLLBACK" };
  if (kind === "define") {
    const what = tokens.find((t) => isWord(t, "table", "index", "view"));
    if (!what || tokens.some((t) => isWord(t, "virtual", "trigger")))
      throw new PgError("feature_not_supported", "only tables, indexes and views can be defined");
    return { kind, tag: `${first.text} ${what.text}`.toUpperCase() };
  }
  const tags: Partial<Record<Kind, string>> = {
    read: "SELECT",
    begin: isWord(first, "start") ? "START TRANSACTION" : "BEGIN",
    commit: "COMMIT",
    rollback: "ROLLBACK",
  };
  return { kind, tag: tags[kind] ?? first.text.toUpperCase() };
}

function resultColumns(
  tokens: readonly Token[],
  source: readonly SourceColumn[],
  types: ColumnTypes,
  parameters: readonly number[],
): Column[] {
  const items = resultItems(tokens);
  const byPlace = items.length === source.length && !items.some((i) => isOp(i.at(-1), "*"));
  const known = withAliases(tokens, types, parameters);
  const computed = items.map((item) => ({ item, ...itemType(item, known, parameters) }));
  return source.map((column, i) => {
    const at = byPlace ? computed[i] : computed.find((c) => c.name === column.name);
    const declared = column.type ? typeByName(column.type) : undefined;
    const type = declared ?? (at?.type || oid.text);
    // SQLite names a computed column by its text.
    const name =
      column.type || !at ? column.name : (at.name ?? defaultName(at.item) ?? column.name);
    return { name, type };
  });
}

export function makePlan(
  tokens: readonly Token[],
  declared: readonly number[],
  types: ColumnTypes,
  describe: (sql: string) => SourceColumn[],
): Plan {
  const { kind, tag } = classify(tokens);
  const served = kind !== "read" && kind !== "write" && kind !== "define";
  const { sql, parameters, clockParameter, locks } = served
    ? { sql: "", parameters: 0, clockParameter: 0, locks: false }
    : translate(tokens);
  const count = Math.max(parameters, declared.length);
  const inferred = parameterTypes(tokens, count, declared, types);
  let columns: Column[] | null = null;
  if (kind === "show") columns = [{ name: tokens[1]?.text ?? "setting", type: oid.text }];
  if (kind === "read" || kind === "write") {
    const source = describe(sql);
    if (source.length > 0) columns = resultColumns(tokens, source, types, inferred);
  }
  return {
    kind,
    tag,
    sql,
    parameters: count,
    parameterTypes: inferred,
    clockParameter,
    locks,
    columns,
    tokens,
  };
}
