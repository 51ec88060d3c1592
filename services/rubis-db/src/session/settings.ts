import type { Token } from "../sql/tokens.ts";
import { isOp, isWord } from "../sql/tokens.ts";
import { PgError } from "../wire/errors.ts";

/** Settings that the protocol reports at startup and at each change (section 55.2.7). */
const reported = new Map([
  ["server_version", "15.0"],
  ["server_encoding", "UTF8"],
  ["client_encoding", "UTF8"],
  ["application_name", ""],
  ["is_superuser", "off"],
  ["session_authorization", ""],
  ["datestyle", "ISO, MDY"],
  ["intervalstyle", "postgres"],
  ["timezone", "UTC"],
  ["integer_datetimes", "on"],
  ["standard_conforming_strings", "on"],
]);

const spelling = new Map([
  ["datestyle", "DateStyle"],
  ["intervalstyle", "IntervalStyle"],
  ["timezone", "TimeZone"],
]);

const unreported = new Map([
  ["transaction_isolation", "read committed"],
  ["default_transaction_isolation", "read committed"],
  ["default_transaction_read_only", "off"],
  ["search_path", "public"],
  ["statement_timeout", "0"],
  ["lock_timeout", "30s"],
  ["idle_in_transaction_session_timeout", "60s"],
  ["extra_float_digits", "1"],
  ["client_min_messages", "notice"],
  ["bytea_output", "hex"],
  ["max_identifier_length", "63"],
]);

const readOnly = ["server_version", "server_encoding", "is_superuser", "integer_datetimes"];

export interface Change {
  name: string;
  value: string;
}

/**
 * The settings of one session. Those that would change what SQLite does (time zone, date style,
 * timeouts) are kept and shown but have no effect; client_encoding may be UTF8 only.
 */
export class Settings {
  readonly #values = new Map([...reported, ...unreported]);

  startup(parameters: ReadonlyMap<string, string>): void {
    this.#values.set("session_authorization", parameters.get("user") ?? "");
    for (const [name, value] of parameters)
      if (this.#values.has(name.toLowerCase()) && name !== "user") this.#assign(name, value);
  }

  *report(): Iterable<Change> {
    for (const name of reported.keys())
      yield { name: spelling.get(name) ?? name, value: this.#values.get(name) ?? "" };
  }

  show(tokens: readonly Token[]): string {
    let name = tokens[1]?.text ?? "";
    if (isWord(tokens[1], "transaction")) name = "transaction_isolation";
    if (isWord(tokens[1], "time")) name = "timezone";
    const value = this.#values.get(name);
    if (value === undefined)
      throw new PgError("undefined_object", `unrecognized configuration parameter "${name}"`);
    return value;
  }

  /** SET and RESET. Gives what the client must be told. */
  set(tokens: readonly Token[]): Change | null {
    let i = 1;
    if (isWord(tokens[i], "session", "local") && tokens.length > 2) i++;
    if (isWord(tokens[i], "transaction", "characteristics", "constraints", "all", "role"))
      return null;
    let name = tokens[i]?.text ?? "";
    if (isWord(tokens[i], "time")) {
      name = "timezone";
      i++;
    }
    if (!name) throw new PgError("syntax_error", "syntax error at end of input");
    const from = isOp(tokens[i + 1], "=") || isWord(tokens[i + 1], "to") ? i + 2 : i + 1;
    const given = tokens.slice(from);
    const initial = reported.get(name) ?? unreported.get(name);
    const reset = isWord(tokens[0], "reset") || isWord(given[0], "default");
    const value = reset ? (initial ?? "") : given.map((t) => t.text).join("");
    this.#assign(name, value);
    if (!reported.has(name)) return null;
    return { name: spelling.get(name) ?? name, value: this.#values.get(name) ?? "" };
  }

  #assign(given: string, value: string): void {
    const name = given.toLowerCase();
    if (!this.#values.has(name))
      throw new PgError("undefined_object", `unrecognized configuration parameter "${given}"`);
    if (readOnly.includes(name))
      throw new PgError("feature_not_supported", `parameter "${name}" cannot be changed`);
    if (name === "client_encoding") {
      if (!/^(utf-?8|unicode|auto)$/i.test(value.replaceAll("'", "")))
        throw new PgError(
          "feature_not_supported",
          `encoding "${value}" is not supported: only UTF8`,
        );
      return;
    }
    this.#values.set(name, value.slice(0, 200));
  }
}
