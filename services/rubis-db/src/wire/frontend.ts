import { PgError, protocolViolation } from "./errors.ts";
import { decodeUtf8 } from "./types.ts";

/**
 * Messages from the client ("PostgreSQL: Frontend/Backend Protocol", section 55.7, protocol 3.0).
 *
 * Two steps: `Framer` cuts the byte stream into messages of bounded length, `decode` checks one
 * message and gives it as a plain value. The only error that leaves this file is `PgError`.
 */
export type FrontendMessage =
  | { type: "query"; sql: string }
  | { type: "parse"; name: string; sql: string; types: number[] }
  | {
      type: "bind";
      portal: string;
      statement: string;
      formats: number[];
      values: (Buffer | null)[];
      resultFormats: number[];
    }
  | { type: "describe"; kind: "S" | "P"; name: string }
  | { type: "execute"; portal: string; maxRows: number }
  | { type: "close"; kind: "S" | "P"; name: string }
  | { type: "sync" }
  | { type: "flush" }
  | { type: "terminate" }
  | { type: "password" }
  | { type: "functionCall" }
  | { type: "copy" };

export type StartupMessage =
  | { type: "ssl" }
  | { type: "gssenc" }
  | { type: "cancel"; pid: number; secret: number }
  | { type: "startup"; major: number; minor: number; parameters: Map<string, string> };

/** As in PostgreSQL: MAX_STARTUP_PACKET_LENGTH. */
const maxStartupLength = 10_000;
/** Messages that carry SQL or values; PostgreSQL allows 1 GB, which is no use here. */
const maxLongLength = 16 * 1024 * 1024;
const maxShortLength = 10_000;
/** The field is 16 bits; more parameters than this SQLite refuses. */
const maxParameters = 32_766;

const long = new Set([0x51 /* Q */, 0x50 /* P */, 0x42 /* B */, 0x46 /* F */, 0x64 /* d */]);
const short = new Set([
  0x44 /* D */, 0x45 /* E */, 0x43 /* C */, 0x53 /* S */, 0x48 /* H */, 0x58 /* X */, 0x70 /* p */,
  0x63 /* c */, 0x66 /* f */,
]);

export interface Frame {
  code: number;
  body: Buffer;
}

/** Collects chunks and cuts them into frames. A frame is a view of the chunk where it can be. */
export class Framer {
  #pending: Buffer = Buffer.alloc(0);
  #chunks: Buffer[] = [];
  #waiting = 0;
  #need = 0;

  push(chunk: Buffer): void {
    // A long message arrives in many chunks: join them once, when it is complete.
    if (this.#pending.length === 0 && this.#chunks.length === 0) {
      this.#pending = chunk;
      return;
    }
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#pending.length + this.#waiting < this.#need) return;
    this.#pending = Buffer.concat([this.#pending, ...this.#chunks]);
    this.#chunks = [];
    this.#waiting = 0;
  }

  get buffered(): number {
    return this.#pending.length + this.#waiting;
  }

  /** The first packet has no type byte. */
  nextStartup(): Buffer | null {
    if (this.#pending.length < 4) return null;
    const length = this.#pending.readUInt32BE(0);
    if (length < 8 || length > maxStartupLength)
      throw protocolViolation("invalid length of startup packet");
    return this.#take(4, length);
  }

  next(): Frame | null {
    if (this.#pending.length < 5) return null;
    const code = this.#pending[0] as number;
    const length = this.#pending.readUInt32BE(1);
    const limit = long.has(code) ? maxLongLength : short.has(code) ? maxShortLength : 0;
    if (limit === 0) throw protocolViolation(`invalid frontend message type ${code}`);
    if (length < 4 || length > limit) throw protocolViolation("invalid message length");
    const body = this.#take(5, length + 1);
    return body && { code, body };
  }

  #take(from: number, end: number): Buffer | null {
    if (this.#pending.length < end) {
      this.#need = end;
      return null;
    }
    this.#need = 0;
    const body = this.#pending.subarray(from, end);
    this.#pending = this.#pending.subarray(end);
    return body;
  }
}

/** A cursor over one message that never reads past its end. */
class Cursor {
  readonly #b: Buffer;
  #at = 0;

  constructor(b: Buffer) {
    this.#b = b;
  }

  #advance(n: number): number {
    const at = this.#at;
    if (n < 0 || at + n > this.#b.length)
      throw protocolViolation("insufficient data left in message");
    this.#at = at + n;
    return at;
  }

  byte(): number {
    return this.#b[this.#advance(1)] as number;
  }

  int16(): number {
    return this.#b.readInt16BE(this.#advance(2));
  }

  uint16(): number {
    return this.#b.readUInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#b.readInt32BE(this.#advance(4));
  }

  uint32(): number {
    return this.#b.readUInt32BE(this.#advance(4));
  }

  bytes(n: number): Buffer {
    const at = this.#advance(n);
    return this.#b.subarray(at, at + n);
  }

  string(): string {
    const end = this.#b.indexOf(0, this.#at);
    if (end < 0) throw protocolViolation("invalid string in message");
    const text = decodeUtf8(this.#b, this.#at, end);
    this.#at = end + 1;
    return text;
  }

  end(): void {
    if (this.#at !== this.#b.length) throw protocolViolation("invalid message format");
  }
}

export function decodeStartup(body: Buffer): StartupMessage {
  const c = new Cursor(body);
  const major = c.uint16();
  const minor = c.uint16();
  if (major === 1234) {
    if (minor === 5678) {
      const pid = c.int32();
      const secret = c.int32();
      c.end();
      return { type: "cancel", pid, secret };
    }
    c.end();
    if (minor === 5679) return { type: "ssl" };
    if (minor === 5680) return { type: "gssenc" };
  }
  if (major !== 3)
    throw new PgError(
      "feature_not_supported",
      `unsupported frontend protocol ${major}.${minor}: server supports 3.0`,
      {},
      true,
    );
  const parameters = new Map<string, string>();
  for (;;) {
    const key = c.string();
    if (key === "") break;
    parameters.set(key, c.string());
  }
  c.end();
  return { type: "startup", major, minor, parameters };
}

function formatCodes(c: Cursor): number[] {
  const out: number[] = [];
  const n = c.uint16();
  for (let i = 0; i < n; i++) {
    const format = c.int16();
    if (format !== 0 && format !== 1) throw protocolViolation(`unsupported format code: ${format}`);
    out.push(format);
  }
  return out;
}

function target(c: Cursor): { kind: "S" | "P"; name: string } {
  const kind = c.byte();
  if (kind !== 0x53 && kind !== 0x50) throw protocolViolation("invalid message subtype");
  const name = c.string();
  return { kind: kind === 0x53 ? "S" : "P", name };
}

function decodeParse(c: Cursor): FrontendMessage {
  const name = c.string();
  const sql = c.string();
  const types: number[] = [];
  const n = c.uint16();
  for (let i = 0; i < n; i++) types.push(c.uint32());
  return { type: "parse", name, sql, types };
}

function decodeBind(c: Cursor): FrontendMessage {
  const portal = c.string();
  const statement = c.string();
  const formats = formatCodes(c);
  const n = c.uint16();
  if (n > maxParameters) throw protocolViolation("too many parameters");
  if (formats.length > 1 && formats.length !== n)
    throw protocolViolation(
      `bind message has ${formats.length} parameter formats but ${n} parameters`,
    );
  const values: (Buffer | null)[] = [];
  for (let i = 0; i < n; i++) {
    const length = c.int32();
    if (length < -1) throw protocolViolation("invalid length of parameter");
    values.push(length === -1 ? null : c.bytes(length));
  }
  return { type: "bind", portal, statement, formats, values, resultFormats: formatCodes(c) };
}

export function decode(frame: Frame): FrontendMessage {
  const c = new Cursor(frame.body);
  let message: FrontendMessage;
  switch (frame.code) {
    case 0x51:
      message = { type: "query", sql: c.string() };
      break;
    case 0x50:
      message = decodeParse(c);
      break;
    case 0x42:
      message = decodeBind(c);
      break;
    case 0x44:
      message = { type: "describe", ...target(c) };
      break;
    case 0x45: {
      const portal = c.string();
      const maxRows = c.int32();
      message = { type: "execute", portal, maxRows: Math.max(0, maxRows) };
      break;
    }
    case 0x43:
      message = { type: "close", ...target(c) };
      break;
    case 0x53:
      message = { type: "sync" };
      break;
    case 0x48:
      message = { type: "flush" };
      break;
    case 0x58:
      message = { type: "terminate" };
      break;
    case 0x70:
      return { type: "password" };
    case 0x46:
      return { type: "functionCall" };
    case 0x64:
    case 0x63:
    case 0x66:
      return { type: "copy" };
    default:
      throw protocolViolation(`invalid frontend message type ${frame.code}`);
  }
  c.end();
  return message;
}
