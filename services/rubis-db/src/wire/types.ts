import { PgError } from "./errors.ts";

/** Object identifiers of the types that the server knows (pg_type.dat). */
export const oid = {
  unknown: 0,
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  float4: 700,
  float8: 701,
  unknownLiteral: 705,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
} as const;

const sizes = new Map<number, number>([
  [oid.bool, 1],
  [oid.int8, 8],
  [oid.int2, 2],
  [oid.int4, 4],
  [oid.float4, 4],
  [oid.float8, 8],
  [oid.date, 4],
  [oid.timestamp, 8],
  [oid.timestamptz, 8],
]);

/** `typlen` of RowDescription: bytes of a fixed-size type, -1 for one of variable size. */
export function typeSize(type: number): number {
  return sizes.get(type) ?? -1;
}

const names: Record<string, number> = {
  bool: oid.bool,
  boolean: oid.bool,
  bytea: oid.bytea,
  blob: oid.bytea,
  int8: oid.int8,
  bigint: oid.int8,
  int2: oid.int2,
  smallint: oid.int2,
  int4: oid.int4,
  int: oid.int4,
  integer: oid.int4,
  text: oid.text,
  varchar: oid.varchar,
  "character varying": oid.varchar,
  bpchar: oid.bpchar,
  char: oid.bpchar,
  character: oid.bpchar,
  float4: oid.float4,
  real: oid.float4,
  float8: oid.float8,
  float: oid.float8,
  "double precision": oid.float8,
  numeric: oid.numeric,
  decimal: oid.numeric,
  date: oid.date,
  timestamp: oid.timestamp,
  "timestamp without time zone": oid.timestamp,
  timestamptz: oid.timestamptz,
  "timestamp with time zone": oid.timestamptz,
};

/** The type of a declaration such as `VARCHAR(20)`; undefined if the server has no such type. */
export function typeByName(declared: string): number | undefined {
  const bare = declared
    .toLowerCase()
    .replace(/\([^)]*\)/g, "")
    .replace(/\s+/g, " ")
    .trim();
  return Object.hasOwn(names, bare) ? names[bare] : undefined;
}

/** What SQLite can bind and return through its Node binding. */
export type Value = null | number | bigint | string | Buffer;

const pgEpoch = Date.UTC(2000, 0, 1);
const intRange: Record<number, [number, number]> = {
  [oid.int2]: [-32768, 32767],
  [oid.int4]: [-2147483648, 2147483647],
};
const typeTitle: Record<number, string> = {
  [oid.int2]: "smallint",
  [oid.int4]: "integer",
  [oid.int8]: "bigint",
  [oid.float4]: "real",
  [oid.float8]: "double precision",
  [oid.numeric]: "numeric",
  [oid.bool]: "boolean",
  [oid.date]: "date",
  [oid.timestamp]: "timestamp",
  [oid.timestamptz]: "timestamp with time zone",
};

function invalid(type: number, text: string): PgError {
  const condition =
    type === oid.timestamp || type === oid.timestamptz || type === oid.date
      ? "invalid_datetime_format"
      : "invalid_text_representation";
  return new PgError(
    condition,
    `invalid input syntax for type ${typeTitle[type] ?? "text"}: "${text.slice(0, 200)}"`,
  );
}

function checkInteger(n: number | bigint, type: number, text: string): number | bigint {
  const range = intRange[type];
  if (range && (n < range[0] || n > range[1]))
    throw new PgError(
      "numeric_value_out_of_range",
      `value "${text}" is out of range for type ${typeTitle[type]}`,
    );
  return n;
}

/** `YYYY-MM-DD HH:MM:SS[.ffffff]`, the text form of `timestamp` and what the database stores. */
export function formatTimestamp(ms: number): string {
  const iso = new Date(ms).toISOString();
  const seconds = `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
  return ms % 1000 === 0 ? seconds : `${seconds}${iso.slice(19, 23).replace(/0+$/, "")}`;
}

const anyTimestamp =
  /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?(\.\d{1,6})?)? ?(Z|[+-]\d\d(?::?\d\d)?)?$/i;

/** Brings a timestamp to its stored form. A zone is applied for timestamptz and dropped else. */
export function parseTimestamp(text: string, type: number): string {
  const m = anyTimestamp.exec(text.trim());
  if (!m) throw invalid(type, text);
  const zone = type === oid.timestamptz ? (m[5] ?? "Z") : "Z";
  const offset = /^z$/i.test(zone)
    ? "Z"
    : `${zone.slice(0, 3)}:${zone.slice(3).replace(":", "") || "00"}`;
  const ms = Date.parse(
    `${m[1]}T${m[2] ?? "00:00"}${m[3] ?? ":00"}${(m[4] ?? "").slice(0, 4)}${offset}`,
  );
  // Date.parse rolls 31 February over into March; PostgreSQL refuses it.
  if (Number.isNaN(ms) || (offset === "Z" && new Date(ms).toISOString().slice(0, 10) !== m[1]))
    throw new PgError("datetime_field_overflow", `date/time field value out of range: "${text}"`);
  const stored = formatTimestamp(ms);
  return type === oid.date ? stored.slice(0, 10) : stored;
}

/** A parameter in text format. `unknown` is a parameter whose type nothing told. */
export function parseText(text: string, type: number): Value {
  switch (type) {
    case oid.int2:
    case oid.int4:
    case oid.int8: {
      if (!/^\s*[+-]?\d{1,19}\s*$/.test(text)) throw invalid(type, text);
      const n = Number(text);
      if (Number.isSafeInteger(n)) return checkInteger(n, type, text);
      const big = BigInt(text.trim().replace(/^\+/, ""));
      if (BigInt.asIntN(64, big) !== big)
        throw new PgError(
          "numeric_value_out_of_range",
          `value "${text}" is out of range for type bigint`,
        );
      return checkInteger(big, type, text);
    }
    case oid.float4:
    case oid.float8:
    case oid.numeric: {
      if (!/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) throw invalid(type, text);
      const n = Number(text);
      if (!Number.isFinite(n))
        throw new PgError(
          "numeric_value_out_of_range",
          `"${text}" is out of range for type double precision`,
        );
      return n;
    }
    case oid.bool:
      if (/^(t|true|y|yes|on|1)$/i.test(text)) return 1;
      if (/^(f|false|n|no|off|0)$/i.test(text)) return 0;
      throw invalid(type, text);
    case oid.date:
    case oid.timestamp:
    case oid.timestamptz:
      return parseTimestamp(text, type);
    case oid.bytea:
      if (!/^\\x([0-9a-f]{2})*$/i.test(text)) throw invalid(type, text);
      return Buffer.from(text.slice(2), "hex");
    case oid.unknown:
      // `(a + b) > $1`: nothing names the type. SQLite orders every text after every number, so
      // what reads as a number is bound as one; a column of text turns it back into text.
      return /^-?(0|[1-9]\d{0,14})(\.\d{1,10})?$/.test(text) ? Number(text) : text;
    default:
      return text;
  }
}

/** A parameter in binary format. */
export function parseBinary(b: Buffer, type: number): Value {
  const need = typeSize(type);
  if (need >= 0 && b.length !== need)
    throw new PgError(
      "invalid_binary_representation",
      "incorrect binary data format in bind parameter",
    );
  switch (type) {
    case oid.bool:
      return b[0] === 0 ? 0 : 1;
    case oid.int2:
      return b.readInt16BE(0);
    case oid.int4:
      return b.readInt32BE(0);
    case oid.int8: {
      const n = b.readBigInt64BE(0);
      return n >= BigInt(Number.MIN_SAFE_INTEGER) && n <= BigInt(Number.MAX_SAFE_INTEGER)
        ? Number(n)
        : n;
    }
    case oid.float4:
    case oid.float8: {
      const n = type === oid.float4 ? b.readFloatBE(0) : b.readDoubleBE(0);
      if (!Number.isFinite(n))
        throw new PgError("numeric_value_out_of_range", "infinity and NaN are not supported");
      return n;
    }
    case oid.timestamp:
    case oid.timestamptz: {
      const ms = Number(b.readBigInt64BE(0) / 1000n) + pgEpoch;
      if (!(ms >= -62135596800000 && ms <= 253402300799000))
        throw new PgError("datetime_field_overflow", "timestamp out of range");
      return formatTimestamp(ms);
    }
    case oid.date: {
      const ms = b.readInt32BE(0) * 86_400_000 + pgEpoch;
      if (!(ms >= -62135596800000 && ms <= 253402300799000))
        throw new PgError("datetime_field_overflow", "date out of range");
      return formatTimestamp(ms).slice(0, 10);
    }
    case oid.numeric:
      throw new PgError("feature_not_supported", "binary format of numeric is not supported");
    case oid.bytea:
      return Buffer.from(b);
    default:
      return decodeUtf8(b, 0, b.length);
  }
}

/** Text from the client: UTF-8 without NUL, or SQLSTATE 22021. */
export function decodeUtf8(b: Buffer, start: number, end: number): string {
  const text = b.toString("utf8", start, end);
  if (text.includes("\uFFFD") && !Buffer.from(text).equals(b.subarray(start, end)))
    throw new PgError("character_not_in_repertoire", 'invalid byte sequence for encoding "UTF8"');
  if (text.includes("\0"))
    throw new PgError(
      "character_not_in_repertoire",
      'invalid byte sequence for encoding "UTF8": 0x00',
    );
  return text;
}

/** The text form of a result value. Numbers print alike in JavaScript and PostgreSQL up to 1e21. */
export function formatText(v: number | bigint | string | Buffer, type: number): string {
  if (typeof v === "string") return v;
  if (Buffer.isBuffer(v)) return `\\x${v.toString("hex")}`;
  if (type === oid.bool) return v ? "t" : "f";
  return String(v);
}

/** The binary form of a result value. */
export function formatBinary(v: number | bigint | string | Buffer, type: number): Buffer {
  if (type === oid.numeric)
    throw new PgError("feature_not_supported", "binary format of numeric is not supported");
  if (Buffer.isBuffer(v)) return v;
  const size = typeSize(type);
  if (size < 0) return Buffer.from(formatText(v, type));
  const out = Buffer.alloc(size);
  const n = Number(v);
  switch (type) {
    case oid.bool:
      out[0] = n ? 1 : 0;
      break;
    case oid.int2:
      out.writeInt16BE(n);
      break;
    case oid.int4:
      out.writeInt32BE(n);
      break;
    case oid.int8:
      out.writeBigInt64BE(BigInt(v));
      break;
    case oid.float4:
      out.writeFloatBE(n);
      break;
    case oid.float8:
      out.writeDoubleBE(n);
      break;
    default: {
      const ms = Date.parse(`${String(v).replace(" ", "T")}${type === oid.date ? "" : "Z"}`);
      if (type === oid.date) out.writeInt32BE(Math.floor((ms - pgEpoch) / 86_400_000));
      else out.writeBigInt64BE(BigInt(ms - pgEpoch) * 1000n);
    }
  }
  return out;
}
