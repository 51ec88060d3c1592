import { oid } from "../wire/types.ts";
import { closing, isOp, isWord, opening, splitCommas, type Token } from "./tokens.ts";
import { typeNameAt } from "./translate.ts";

/**
 * Types of parameters and of computed columns. SQLite knows the type of a plain column only, and a
 * PostgreSQL client wants one for everything: this reads it off the tokens near by. What it cannot
 * tell stays `oid.unknown`.
 */
export type ColumnTypes = (column: string) => number;

const comparisons = ["=", "<", ">", "<=", ">=", "<>", "!="];
const arithmetic = ["+", "-", "*", "/", "%"];

function isName(token: Token | undefined): token is Token {
  return token?.kind === "word" || token?.kind === "quoted";
}

/** `INSERT INTO t (a, b) VALUES ($1, $2), ...`: the columns by place. */
function insertTypes(tokens: readonly Token[], types: ColumnTypes, out: number[]): void {
  const into = tokens.findIndex((t) => isWord(t, "into"));
  const values = tokens.findIndex((t) => isWord(t, "values"));
  if (into < 0 || values < 0) return;
  const open = tokens.findIndex((t, i) => i > into && isOp(t, "("));
  if (open < 0 || open > values) return;
  const columns = splitCommas(tokens, open + 1, closing(tokens, open)).map((c) => c[0]?.text ?? "");
  for (let i = values + 1; isOp(tokens[i], "("); ) {
    const end = closing(tokens, i);
    splitCommas(tokens, i + 1, end).forEach((item, place) => {
      const only = item[0];
      if (item.length === 1 && only?.kind === "parameter")
        out[Number(only.text) - 1] ||= types(columns[place] ?? "");
    });
    i = isOp(tokens[end + 1], ",") ? end + 2 : end + 1;
  }
}

function nearbyType(tokens: readonly Token[], i: number, types: ColumnTypes): number {
  const before = tokens[i - 1];
  const after = tokens[i + 1];
  if (isOp(after, "::")) return typeNameAt(tokens, i + 2).type;
  if (isWord(before, "limit", "offset")) return oid.int8;
  if (isWord(before, "like", "ilike") || isOp(before, "||") || isOp(after, "||")) return oid.text;
  if (isWord(before, "interval")) return oid.unknown;
  const left = tokens[i - 2];
  if (isOp(before, ...comparisons) && isName(left)) return types(left.text);
  if (isOp(after, ...comparisons) && isName(tokens[i + 2])) {
    const qualified = isOp(tokens[i + 3], ".") ? tokens[i + 4] : tokens[i + 2];
    return types(qualified?.text ?? "");
  }
  if (isOp(before, ...arithmetic) && isName(left)) return types(left.text);
  if (isOp(after, ...arithmetic) && isName(tokens[i + 2])) return types(tokens[i + 2]?.text ?? "");
  if (isWord(before, "between") && isName(left)) return types(left.text);
  if (isWord(before, "and") && isWord(tokens[i - 3], "between") && isName(tokens[i - 4]))
    return types(tokens[i - 4]?.text ?? "");
  return inListType(tokens, i, types);
}

/** `column IN ($1, $2)`. */
function inListType(tokens: readonly Token[], i: number, types: ColumnTypes): number {
  let open = i - 1;
  while (tokens[open]?.kind === "parameter" || isOp(tokens[open], ",")) open--;
  if (!isOp(tokens[open], "(") || !isWord(tokens[open - 1], "in")) return oid.unknown;
  const name = isWord(tokens[open - 2], "not") ? tokens[open - 3] : tokens[open - 2];
  return isName(name) ? types(name.text) : oid.unknown;
}

export function parameterTypes(
  tokens: readonly Token[],
  count: number,
  declared: readonly number[],
  types: ColumnTypes,
): number[] {
  const out: number[] = Array.from({ length: count }, (_, i) => declared[i] ?? 0);
  for (let i = 0; i < out.length; i++) if (out[i] === oid.unknownLiteral) out[i] = oid.unknown;
  if (isWord(tokens[0], "insert")) insertTypes(tokens, types, out);
  tokens.forEach((token, i) => {
    if (token.kind === "parameter") out[Number(token.text) - 1] ||= nearbyType(tokens, i, types);
  });
  return out;
}

/** The end of the bracketed part that begins at `from`, or of the statement. */
function levelEnd(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let i = from; i < tokens.length; i++) {
    if (isOp(tokens[i], "(")) depth++;
    else if (isOp(tokens[i], ")") && --depth < 0) return i;
  }
  return tokens.length;
}

/** Knows also the names that the statement itself gives, in subqueries and WITH. */
export function withAliases(
  tokens: readonly Token[],
  types: ColumnTypes,
  parameters: readonly number[],
): ColumnTypes {
  const aliases = new Map<string, number>();
  const known: ColumnTypes = (name) => aliases.get(name) || types(name);
  // Innermost first: an outer list may use the names of an inner one.
  for (let i = tokens.length - 1; i >= 0; i--) {
    if (!isWord(tokens[i], "select")) continue;
    for (const item of resultItems(tokens.slice(i, levelEnd(tokens, i)))) {
      const { name, type } = itemType(item, known, parameters);
      if (name !== null && type) aliases.set(name, type);
    }
  }
  return known;
}

/** The items of the outermost select list, or of RETURNING. */
export function resultItems(tokens: readonly Token[]): Token[][] {
  let start = -1;
  let end = tokens.length;
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    if (isOp(tokens[i], "(")) depth++;
    else if (isOp(tokens[i], ")")) depth--;
    else if (depth === 0 && start < 0 && isWord(tokens[i], "select", "returning", "values")) {
      start = i + 1;
      if (isWord(tokens[start], "distinct", "all")) start++;
    } else if (depth === 0 && start >= 0 && isWord(tokens[i], ...listEnds)) {
      end = i;
      break;
    }
  }
  if (start < 0) return [];
  if (isWord(tokens[start - 1], "values") && isOp(tokens[start], "("))
    return splitCommas(tokens, start + 1, closing(tokens, start));
  return splitCommas(tokens, start, end);
}

const listEnds = ["from", "where", "group", "order", "limit", "union", "intersect", "except"];
const textFunctions = ["lower", "upper", "substr", "substring", "trim", "replace", "string_agg"];
const firstArgument = ["max", "min", "coalesce", "nullif", "abs"];

export interface Expression {
  name: string | null;
  type: number;
}

/** The alias and the type of one item of a select list. */
export function itemType(
  item: readonly Token[],
  types: ColumnTypes,
  parameters: readonly number[],
): Expression {
  let body = item;
  let name: string | null = null;
  const last = item.at(-1);
  const previous = item.at(-2);
  if (item.length > 2 && isName(last) && isWord(previous, "as")) {
    name = last.text;
    body = item.slice(0, -2);
  } else if (
    item.length > 1 &&
    isName(last) &&
    (isOp(previous, ")") || (previous && previous.kind !== "op" && !isWord(previous, "case")))
  ) {
    if (!isWord(last, "end", "null")) {
      name = last.text;
      body = item.slice(0, -1);
    }
  }
  return { name, type: expressionType(body, types, parameters) };
}

function expressionType(
  e: readonly Token[],
  types: ColumnTypes,
  parameters: readonly number[],
): number {
  const first = e[0];
  if (!first) return oid.unknown;
  const cast = castType(e);
  if (cast) return cast;
  if (e.length === 1) {
    if (first.kind === "parameter") return parameters[Number(first.text) - 1] ?? oid.unknown;
    if (first.kind === "string") return oid.text;
    if (first.kind === "number") return numberType(first.text);
    if (isWord(first, "current_timestamp", "localtimestamp")) return oid.timestamp;
    if (isWord(first, "current_date")) return oid.date;
    if (isWord(first, "true", "false")) return oid.bool;
    return types(first.text);
  }
  if (e.length === 3 && isOp(e[1], ".")) return types(e[2]?.text ?? "");
  const depthZero = topLevel(e);
  if (depthZero.some((t) => isOp(t, "||"))) return oid.text;
  if (depthZero.some((t) => isOp(t, ...comparisons) || isWord(t, "and", "or", "not", "is", "in")))
    return isWord(first, "case") ? caseType(e, types, parameters) : oid.bool;
  if (isWord(first, "case")) return caseType(e, types, parameters);
  if (isWord(first, "exists")) return oid.bool;
  if (depthZero.some((t, i) => i > 0 && isOp(t, ...arithmetic)))
    return arithmeticType(e, types, parameters);
  if (isOp(first, "-", "+")) return expressionType(e.slice(1), types, parameters);
  if (isOp(first, "(") && closing(e, 0) === e.length - 1) {
    const inner = e.slice(1, -1);
    if (isWord(inner[0], "select")) {
      const item = resultItems(inner)[0];
      return item ? itemType(item, types, parameters).type : oid.unknown;
    }
    return expressionType(inner, types, parameters);
  }
  if (first.kind === "word" && isOp(e[1], "(")) return callType(e, types, parameters);
  return oid.unknown;
}

function castType(e: readonly Token[]): number {
  for (let i = e.length - 1; i > 0; i--) {
    if (!isOp(e[i], "::")) continue;
    const { type, next } = typeNameAt(e, i + 1);
    return next === e.length && topLevel(e.slice(0, i)).length <= 3 ? type : oid.unknown;
  }
  if (isWord(e[0], "cast") && isOp(e[1], "(")) {
    const as = e.findLastIndex((t) => isWord(t, "as"));
    if (as > 0) return typeNameAt(e, as + 1).type;
  }
  return oid.unknown;
}

function numberType(text: string): number {
  if (!/^\d+$/.test(text)) return oid.numeric;
  return Number(text) > 2147483647 ? oid.int8 : oid.int4;
}

/** The tokens outside brackets, the brackets themselves included. */
function topLevel(e: readonly Token[]): Token[] {
  let depth = 0;
  return e.filter((t) => {
    if (isOp(t, "(")) return depth++ === 0;
    if (isOp(t, ")")) return --depth === 0;
    return depth === 0;
  });
}

function caseType(e: readonly Token[], types: ColumnTypes, parameters: readonly number[]): number {
  const then = e.findIndex((t) => isWord(t, "then"));
  const end = e.findIndex((t, i) => i > then && isWord(t, "when", "else", "end"));
  return then < 0 ? oid.unknown : expressionType(e.slice(then + 1, end), types, parameters);
}

function arithmeticType(
  e: readonly Token[],
  types: ColumnTypes,
  parameters: readonly number[],
): number {
  const operands: Token[][] = [[]];
  let depth = 0;
  for (const t of e) {
    if (isOp(t, "(")) depth++;
    else if (isOp(t, ")")) depth--;
    if (depth === 0 && isOp(t, ...arithmetic)) operands.push([]);
    else operands.at(-1)?.push(t);
  }
  const found = operands
    .filter((o) => o.length > 0)
    .map((o) => expressionType(o, types, parameters));
  for (const type of [oid.float8, oid.float4, oid.numeric, oid.int8, oid.int4, oid.timestamp])
    if (found.includes(type)) return type;
  return oid.unknown;
}

function callType(e: readonly Token[], types: ColumnTypes, parameters: readonly number[]): number {
  const name = e[0]?.text ?? "";
  const close = closing(e, 1);
  const argument = splitCommas(e, 2, close)[0] ?? [];
  const inner = () =>
    expressionType(
      isWord(argument[0], "distinct") ? argument.slice(1) : argument,
      types,
      parameters,
    );
  if (name === "count") return oid.int8;
  if (name === "length" || name === "char_length") return oid.int4;
  if (name === "avg") return oid.float8;
  if (name === "now" || name.endsWith("_timestamp")) return oid.timestamp;
  if (name === "version") return oid.text;
  if (name === "sum") return inner() === oid.float8 ? oid.float8 : oid.int8;
  if (firstArgument.includes(name)) return inner();
  if (textFunctions.includes(name)) return oid.text;
  return oid.unknown;
}

const valueWords = ["current_timestamp", "localtimestamp", "current_date", "true", "false", "null"];

/**
 * The name that PostgreSQL gives a column without alias: the function's, else `?column?`; null for
 * a plain column, which keeps its own.
 */
export function defaultName(item: readonly Token[]): string | null {
  const body = item.findIndex((t) => isOp(t, "::"));
  const e = body > 0 ? item.slice(0, body) : item;
  const last = e.at(-1);
  if (e.every((t) => isName(t) || isOp(t, ".", "*")) && !isWord(e[0], ...valueWords)) return null;
  if (isOp(last, ")")) {
    const open = opening(e, e.length - 1);
    const name = e[open - 1];
    if (open === 1 && name?.kind === "word") return name.text;
  }
  if (isWord(e[0], "case")) return "case";
  if (isWord(e[0], ...valueWords)) return e[0]?.text ?? null;
  return "?column?";
}
