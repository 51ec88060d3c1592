import { PgError } from "../wire/errors.ts";

/** A lexical token of PostgreSQL's SQL (manual, section 4.1), with where it stood. */
export interface Token {
  kind: "word" | "quoted" | "string" | "number" | "parameter" | "op";
  /** Words in lower case; the value of a string or quoted name; an operator as written. */
  text: string;
  start: number;
  end: number;
}

const wordPattern = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const numberPattern = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const operatorPattern = /::|<=|>=|<>|!=|\|\||->>?|[-+*/%<>=(),.;[\]:&|~^#]/y;
const dollarTag = /\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$/y;
const parameterPattern = /\$(\d{1,5})(?![A-Za-z_])/y;
const spacePattern = /\s+/y;

function at(pattern: RegExp, sql: string, i: number): RegExpExecArray | null {
  pattern.lastIndex = i;
  return pattern.exec(sql);
}

function syntaxError(what: string): PgError {
  return new PgError("syntax_error", what);
}

/** The end of a run closed by `quote`, where a doubled quote stands for one. */
function quotedEnd(sql: string, from: number, quote: string, escapes: boolean): number {
  for (let i = from; i < sql.length; i++) {
    if (escapes && sql[i] === "\\") i++;
    else if (sql[i] === quote) {
      if (sql[i + 1] !== quote) return i;
      i++;
    }
  }
  throw syntaxError(
    quote === "'" ? "unterminated quoted string" : "unterminated quoted identifier",
  );
}

const escapeLetters: Record<string, string> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

function decodeEscapes(body: string): string {
  return body
    .replaceAll("''", "'")
    .replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{1,2}|[\s\S])/g, (_, e: string) =>
      e.length > 1 ? String.fromCharCode(Number.parseInt(e.slice(1), 16)) : (escapeLetters[e] ?? e),
    );
}

/** Comments nest in PostgreSQL. */
function commentEnd(sql: string, from: number): number {
  let depth = 1;
  for (let i = from + 2; i < sql.length; i++) {
    if (sql.startsWith("/*", i)) {
      depth++;
      i++;
    } else if (sql.startsWith("*/", i)) {
      i++;
      if (--depth === 0) return i + 1;
    }
  }
  throw syntaxError("unterminated /* comment");
}

function stringToken(sql: string, start: number, quoteAt: number, escapes: boolean): Token {
  const end = quotedEnd(sql, quoteAt + 1, "'", escapes);
  const body = sql.slice(quoteAt + 1, end);
  const text = escapes ? decodeEscapes(body) : body.replaceAll("''", "'");
  return { kind: "string", text, start, end: end + 1 };
}

function nextToken(sql: string, i: number): Token {
  const ch = sql[i] as string;
  if (ch === "'") return stringToken(sql, i, i, false);
  if ((ch === "E" || ch === "e") && sql[i + 1] === "'") return stringToken(sql, i, i + 1, true);
  if (ch === '"') {
    const end = quotedEnd(sql, i + 1, '"', false);
    const text = sql.slice(i + 1, end).replaceAll('""', '"');
    if (text === "") throw syntaxError("zero-length delimited identifier");
    return { kind: "quoted", text, start: i, end: end + 1 };
  }
  if (ch === "$") {
    const parameter = at(parameterPattern, sql, i);
    if (parameter)
      return {
        kind: "parameter",
        text: parameter[1] as string,
        start: i,
        end: i + parameter[0].length,
      };
    const tag = at(dollarTag, sql, i)?.[0];
    if (tag) {
      const close = sql.indexOf(tag, i + tag.length);
      if (close < 0) throw syntaxError("unterminated dollar-quoted string");
      const text = sql.slice(i + tag.length, close);
      return { kind: "string", text, start: i, end: close + tag.length };
    }
  }
  const number = at(numberPattern, sql, i)?.[0];
  if (number) return { kind: "number", text: number, start: i, end: i + number.length };
  const word = at(wordPattern, sql, i)?.[0];
  if (word) return { kind: "word", text: word.toLowerCase(), start: i, end: i + word.length };
  const op = at(operatorPattern, sql, i)?.[0];
  if (op) return { kind: "op", text: op, start: i, end: i + op.length };
  // `?`, backquotes and brackets of SQLite's own dialect end here too.
  throw syntaxError(`syntax error at or near "${ch}"`);
}

export function tokenize(sql: string): Token[] {
  const out: Token[] = [];
  let i = 0;
  while (i < sql.length) {
    const space = at(spacePattern, sql, i);
    if (space) {
      i += space[0].length;
    } else if (sql.startsWith("--", i)) {
      const end = sql.indexOf("\n", i);
      i = end < 0 ? sql.length : end;
    } else if (sql.startsWith("/*", i)) {
      i = commentEnd(sql, i);
    } else {
      const token = nextToken(sql, i);
      out.push(token);
      i = token.end;
    }
  }
  return out;
}

/** The statements of a simple query, split at semicolons; empty ones are left out. */
export function splitStatements(tokens: readonly Token[]): Token[][] {
  const out: Token[][] = [];
  let statement: Token[] = [];
  for (const token of tokens) {
    if (token.kind === "op" && token.text === ";") {
      if (statement.length > 0) out.push(statement);
      statement = [];
    } else statement.push(token);
  }
  if (statement.length > 0) out.push(statement);
  return out;
}

export function isWord(token: Token | undefined, ...words: string[]): boolean {
  return token?.kind === "word" && words.includes(token.text);
}

export function isOp(token: Token | undefined, ...ops: string[]): boolean {
  return token?.kind === "op" && ops.includes(token.text);
}

/** The index of the bracket that closes the one at `open`. */
export function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    if (isOp(tokens[i], "(")) depth++;
    else if (isOp(tokens[i], ")") && --depth === 0) return i;
  }
  throw syntaxError("syntax error at end of input");
}

/** The index of the bracket that opens the one at `close`; -1 if none does. */
export function opening(tokens: readonly Token[], close: number): number {
  let depth = 0;
  for (let i = close; i >= 0; i--) {
    if (isOp(tokens[i], ")")) depth++;
    else if (isOp(tokens[i], "(") && --depth === 0) return i;
  }
  return -1;
}

/** Splits `[from, to)` at the commas outside brackets. */
export function splitCommas(tokens: readonly Token[], from: number, to: number): Token[][] {
  const out: Token[][] = [];
  let item: Token[] = [];
  let depth = 0;
  for (const token of tokens.slice(from, to)) {
    if (isOp(token, "(")) depth++;
    else if (isOp(token, ")")) depth--;
    if (depth === 0 && isOp(token, ",")) {
      out.push(item);
      item = [];
    } else item.push(token);
  }
  out.push(item);
  return out;
}
