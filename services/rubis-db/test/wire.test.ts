import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BackendWriter } from "../src/wire/backend.ts";
import { PgError } from "../src/wire/errors.ts";
import { decode, decodeStartup, Framer } from "../src/wire/frontend.ts";
import {
  formatBinary,
  formatText,
  formatTimestamp,
  oid,
  parseBinary,
  parseText,
  parseTimestamp,
} from "../src/wire/types.ts";

function message(code: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(`${p}\0`) : p)));
  const head = Buffer.alloc(5);
  head[0] = code.charCodeAt(0);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function int16(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 2);
  values.forEach((v, i) => {
    out.writeInt16BE(v, i * 2);
  });
  return out;
}

function framed(bytes: Buffer) {
  const framer = new Framer();
  framer.push(bytes);
  const frame = framer.next();
  if (!frame) throw new Error("no whole frame");
  return decode(frame);
}

describe("messages from the client", () => {
  test("Parse with declared types", () => {
    const types = Buffer.from([0, 1, 0, 0, 0, 23]);
    expect(framed(message("P", "s1", "SELECT $1", types))).toEqual({
      type: "parse",
      name: "s1",
      sql: "SELECT $1",
      types: [23],
    });
  });

  test("Bind with a null, a text and a binary value", () => {
    const values = Buffer.from([0, 2, 255, 255, 255, 255, 0, 0, 0, 1, 65]);
    expect(framed(message("B", "", "s1", int16(2, 0, 1), values, int16(0)))).toEqual({
      type: "bind",
      portal: "",
      statement: "s1",
      formats: [0, 1],
      values: [null, Buffer.from("A")],
      resultFormats: [],
    });
  });

  test.each([
    ["unknown type", Buffer.from([0x00, 0, 0, 0, 4])],
    ["length below 4", Buffer.from([0x51, 0, 0, 0, 3])],
    ["length above the limit", Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])],
    ["length above the limit of a short message", Buffer.from([0x53, 0, 1, 0, 0])],
    ["string without its end", Buffer.from([0x51, 0, 0, 0, 5, 65])],
    ["bytes after the message", message("S", Buffer.from([1]))],
    [
      "parameter longer than the message",
      message("B", "", "", int16(0, 1), Buffer.from([0, 0, 1, 0])),
    ],
    [
      "negative parameter length",
      message("B", "", "", int16(0, 1), Buffer.from([255, 255, 255, 0]), int16(0)),
    ],
    ["format code 2", message("B", "", "", int16(1, 2, 0, 0))],
    ["describe of neither statement nor portal", message("D", Buffer.from("Xa\0"))],
  ])("%s is a fatal protocol violation", (_name, bytes) => {
    expect(() => framed(bytes)).toThrowError(
      expect.objectContaining({ code: "08P01", fatal: true }),
    );
  });

  test("the way that the bytes are cut makes no difference", () => {
    const frames = fc.array(
      fc.record({
        code: fc.constantFrom(0x51, 0x50, 0x42, 0x53),
        body: fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a)),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(frames, fc.array(fc.nat({ max: 50 })), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map((f) => message(String.fromCharCode(f.code), f.body)));
        const framer = new Framer();
        const got: { code: number; body: Buffer }[] = [];
        const take = () => {
          for (let f = framer.next(); f; f = framer.next()) got.push(f);
        };
        let at = 0;
        for (const cut of cuts) {
          framer.push(bytes.subarray(at, at + cut));
          at = Math.min(bytes.length, at + cut);
          take();
        }
        framer.push(bytes.subarray(at));
        take();
        expect(got).toEqual(sent);
      }),
    );
  });

  test("any bytes give messages or a PgError, nothing else", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(..."QPBDECSHXpFdcf\0z".split("")),
        fc.uint8Array({ maxLength: 80 }),
        (code, body) => {
          try {
            framed(message(code, Buffer.from(body)));
          } catch (e) {
            expect(e).toBeInstanceOf(PgError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("any startup packet gives a message or a PgError", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0x30000, 0x30002, 80877102, 80877103, 80877104, 0x20000),
        fc.uint8Array({ maxLength: 60 }),
        (version, rest) => {
          const head = Buffer.alloc(4);
          head.writeInt32BE(version);
          try {
            decodeStartup(Buffer.concat([head, Buffer.from(rest)]));
          } catch (e) {
            expect(e).toBeInstanceOf(PgError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

/** Cuts what the server sent into messages, and checks that the lengths add up. */
function split(bytes: Buffer): { code: string; body: Buffer }[] {
  const out: { code: string; body: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readInt32BE(at + 1);
    expect(at + 1 + length).toBeLessThanOrEqual(bytes.length);
    out.push({
      code: String.fromCharCode(bytes[at] ?? 0),
      body: bytes.subarray(at + 5, at + 1 + length),
    });
    at += 1 + length;
  }
  return out;
}

describe("messages to the client", () => {
  test("rows of any length keep their lengths, in one writer, however often they are taken", () => {
    const rows = fc.array(
      fc.array(fc.oneof(fc.constant(null), fc.nat({ max: 40_000 })), { maxLength: 4 }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(rows, fc.nat({ max: 3 }), (lengths, every) => {
        const out = new BackendWriter();
        const taken: Buffer[] = [];
        lengths.forEach((row, i) => {
          const values = row.map((n) => (n === null ? null : "é".repeat(n)));
          out.dataRow(
            values,
            values.map(() => ({ name: "x", type: oid.text })),
            [],
          );
          if (every > 0 && i % every === 0) taken.push(out.take());
        });
        taken.push(out.take());
        const messages = split(Buffer.concat(taken));
        expect(messages.map((m) => m.code).join("")).toBe("D".repeat(lengths.length));
        messages.forEach(({ body }, i) => {
          let at = 2;
          for (const n of lengths[i] ?? []) {
            expect(body.readInt32BE(at)).toBe(n === null ? -1 : n * 2);
            at += 4 + (n ?? 0) * 2;
          }
          expect(at).toBe(body.length);
        });
      }),
      { numRuns: 60 },
    );
  });

  test("an error carries severity, SQLSTATE and message", () => {
    const out = new BackendWriter();
    out.error(new PgError("undefined_table", 'relation "x" does not exist'));
    expect(split(out.take())[0]?.body.toString()).toBe(
      'SERROR\0VERROR\0C42P01\0Mrelation "x" does not exist\0\0',
    );
  });
});

describe("values", () => {
  const timestamps = fc
    .integer({ min: Date.UTC(1, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 })
    .map((s) => formatTimestamp(s * 1000).padStart(19, "0"));

  test.each([
    [oid.int2, fc.integer({ min: -32768, max: 32767 })],
    [oid.int4, fc.integer()],
    [oid.int8, fc.maxSafeInteger()],
    [oid.float8, fc.double({ noNaN: true, noDefaultInfinity: true })],
    [oid.text, fc.string({ unit: "grapheme" }).filter((s) => !s.includes("\0"))],
    [oid.bool, fc.constantFrom(0, 1)],
    [oid.timestamp, timestamps],
    [oid.date, timestamps.map((t) => t.slice(0, 10))],
  ] as [number, fc.Arbitrary<string | number>][])(
    "type %i goes and comes in both formats",
    (type, values) => {
      fc.assert(
        fc.property(values, (v) => {
          const expected = v === 0 ? 0 : v;
          expect(parseText(formatText(v, type), type)).toEqual(expected);
          expect(parseBinary(formatBinary(expected, type), type)).toEqual(expected);
        }),
      );
    },
  );

  test("any text as any type gives a value or a PgError", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...Object.values(oid)), (text, type) => {
        try {
          parseText(text, type);
        } catch (e) {
          expect(e).toBeInstanceOf(PgError);
        }
      }),
    );
  });

  test.each([
    ["2025-01-31 10:00:00", oid.timestamp, "2025-01-31 10:00:00"],
    ["2025-01-31T10:00:00.250Z", oid.timestamp, "2025-01-31 10:00:00.25"],
    ["2025-01-31", oid.timestamp, "2025-01-31 00:00:00"],
    // A zone is dropped for timestamp and applied for timestamptz (manual, section 8.5.1.3).
    ["2025-01-31 10:00:00+02", oid.timestamp, "2025-01-31 10:00:00"],
    ["2025-01-31 10:00:00+02", oid.timestamptz, "2025-01-31 08:00:00"],
    ["2025-01-31 10:00:00-05:30", oid.timestamptz, "2025-01-31 15:30:00"],
    ["2025-01-31 10:00:00", oid.date, "2025-01-31"],
  ])("%s as type %i is stored as %s", (text, type, stored) => {
    expect(parseTimestamp(text, type)).toBe(stored);
  });

  test.each([
    ["abc", oid.int4, "22P02"],
    ["1.5", oid.int4, "22P02"],
    ["2147483648", oid.int4, "22003"],
    ["9223372036854775808", oid.int8, "22003"],
    ["1e999", oid.float8, "22003"],
    ["2025-02-31", oid.timestamp, "22008"],
    ["yesterday", oid.timestamp, "22007"],
    ["maybe", oid.bool, "22P02"],
  ])("%s as type %i is refused with %s", (text, type, code) => {
    expect(() => parseText(text, type)).toThrowError(expect.objectContaining({ code }));
  });
});
