import type { PgError } from "./errors.ts";
import { formatBinary, formatText, oid, typeSize, type Value } from "./types.ts";

export interface Column {
  name: string;
  type: number;
}

export type TransactionStatus = "I" | "T" | "E";

const slabSize = 64 * 1024;

/**
 * Messages to the client, appended to a slab and taken out once for each Sync, so that one round
 * trip costs one write. What `take` gave belongs to the socket: those bytes are never reused.
 */
export class BackendWriter {
  #slab = Buffer.allocUnsafeSlow(slabSize);
  #start = 0;
  #at = 0;

  get length(): number {
    return this.#at - this.#start;
  }

  take(): Buffer {
    const out = this.#slab.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return out;
  }

  #room(n: number): void {
    if (this.#slab.length - this.#at >= n) return;
    const used = this.#at - this.#start;
    // A small remainder moves to a fresh slab; a growing result doubles.
    const slab = Buffer.allocUnsafeSlow(
      Math.max(slabSize, (used + n) * (used > slabSize / 2 ? 2 : 1)),
    );
    this.#slab.copy(slab, 0, this.#start, this.#at);
    this.#slab = slab;
    this.#start = 0;
    this.#at = used;
  }

  /** Gives where the length goes, from the start of what is not taken yet: the slab may move. */
  #open(code: number): number {
    this.#room(5);
    this.#slab[this.#at] = code;
    const at = this.#at + 1 - this.#start;
    this.#at += 5;
    return at;
  }

  #close(at: number): void {
    const place = this.#start + at;
    this.#slab.writeInt32BE(this.#at - place, place);
  }

  #int32(n: number): void {
    this.#room(4);
    const b = this.#slab;
    const at = this.#at;
    b[at] = n >>> 24;
    b[at + 1] = n >>> 16;
    b[at + 2] = n >>> 8;
    b[at + 3] = n;
    this.#at = at + 4;
  }

  #int16(n: number): void {
    this.#room(2);
    this.#slab[this.#at] = n >>> 8;
    this.#slab[this.#at + 1] = n;
    this.#at += 2;
  }

  #byte(n: number): void {
    this.#room(1);
    this.#slab[this.#at++] = n;
  }

  #string(text: string): void {
    this.#room(text.length * 3 + 1);
    this.#at += this.#slab.write(text.replaceAll("\0", ""), this.#at, "utf8");
    this.#slab[this.#at++] = 0;
  }

  /** One byte outside any message: the answer to SSLRequest and GSSENCRequest. */
  raw(code: string): void {
    this.#byte(code.charCodeAt(0));
  }

  #empty(code: number): void {
    this.#close(this.#open(code));
  }

  authenticationOk(): void {
    const at = this.#open(0x52);
    this.#int32(0);
    this.#close(at);
  }

  parameterStatus(name: string, value: string): void {
    const at = this.#open(0x53);
    this.#string(name);
    this.#string(value);
    this.#close(at);
  }

  backendKeyData(pid: number, secret: number): void {
    const at = this.#open(0x4b);
    this.#int32(pid);
    this.#int32(secret);
    this.#close(at);
  }

  /** Protocol 3.0 is the newest minor version spoken here; options named `_pq_.` are unknown. */
  negotiateProtocolVersion(unknown: string[]): void {
    const at = this.#open(0x76);
    this.#int32(0);
    this.#int32(unknown.length);
    for (const name of unknown) this.#string(name);
    this.#close(at);
  }

  readyForQuery(status: TransactionStatus): void {
    const at = this.#open(0x5a);
    this.#byte(status.charCodeAt(0));
    this.#close(at);
  }

  parseComplete(): void {
    this.#empty(0x31);
  }

  bindComplete(): void {
    this.#empty(0x32);
  }

  closeComplete(): void {
    this.#empty(0x33);
  }

  noData(): void {
    this.#empty(0x6e);
  }

  emptyQueryResponse(): void {
    this.#empty(0x49);
  }

  portalSuspended(): void {
    this.#empty(0x73);
  }

  commandComplete(tag: string): void {
    const at = this.#open(0x43);
    this.#string(tag);
    this.#close(at);
  }

  parameterDescription(types: readonly number[]): void {
    const at = this.#open(0x74);
    this.#int16(types.length);
    for (const type of types) this.#int32(type);
    this.#close(at);
  }

  rowDescription(columns: readonly Column[], formats: readonly number[]): void {
    const at = this.#open(0x54);
    this.#int16(columns.length);
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as Column;
      this.#string(column.name);
      this.#int32(0); // table: this server has no pg_class to name it in
      this.#int16(0);
      this.#int32(column.type);
      this.#int16(typeSize(column.type));
      this.#int32(-1);
      this.#int16(formatOf(formats, i));
    }
    this.#close(at);
  }

  dataRow(row: readonly Value[], columns: readonly Column[], formats: readonly number[]): void {
    const at = this.#open(0x44);
    this.#int16(row.length);
    for (let i = 0; i < row.length; i++) {
      const v = row[i] as Value;
      if (v === null) this.#int32(-1);
      else if (formats.length > 0 && formatOf(formats, i) === 1)
        this.#binary(formatBinary(v, (columns[i] as Column).type));
      else this.#text(typeof v === "string" ? v : formatText(v, columns[i]?.type ?? oid.text));
    }
    this.#close(at);
  }

  #text(text: string): void {
    this.#room(text.length * 3 + 4);
    const at = this.#at;
    this.#at = at + 4;
    const n = this.#slab.write(text, at + 4, "utf8");
    this.#at = at;
    this.#int32(n);
    this.#at += n;
  }

  #binary(bytes: Buffer): void {
    this.#int32(bytes.length);
    this.#room(bytes.length);
    this.#at += bytes.copy(this.#slab, this.#at);
  }

  error(e: PgError): void {
    const at = this.#open(0x45);
    this.#errorFields(e.fatal ? "FATAL" : "ERROR", e.code, e.message);
    const { detail, hint, table, column, constraint } = e.fields;
    if (detail) this.#field("D", detail);
    if (hint) this.#field("H", hint);
    if (table) this.#field("t", table);
    if (column) this.#field("c", column);
    if (constraint) this.#field("n", constraint);
    this.#byte(0);
    this.#close(at);
  }

  /** A warning that does not end the statement, e.g. COMMIT outside a transaction. */
  warning(code: string, message: string): void {
    const at = this.#open(0x4e);
    this.#errorFields("WARNING", code, message);
    this.#byte(0);
    this.#close(at);
  }

  #errorFields(severity: string, code: string, message: string): void {
    this.#field("S", severity);
    this.#field("V", severity);
    this.#field("C", code);
    this.#field("M", message);
  }

  #field(code: string, text: string): void {
    this.#byte(code.charCodeAt(0));
    this.#string(text);
  }
}

/** None: text for all; one: that for all; else one for each column. */
export function formatOf(formats: readonly number[], i: number): number {
  return formats.length === 1 ? (formats[0] as number) : (formats[i] ?? 0);
}
