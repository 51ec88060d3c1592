/**
 * Arbitrary bytes and arbitrary control words: only MessageInvalid and RingCorrupted may escape.
 * `corpus/` keeps inputs that are worth trying for ever, in hexadecimal, one file each; a failing
 * input found by the fuzzer goes there.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MESSAGE_MAX_BYTES, PROTOCOL_MAX, PROTOCOL_MIN } from "@outsock/abi";
import { RingCorrupted } from "@outsock/ring";
import {
  agreeVersion,
  decodeEndpoint,
  encodeMessage,
  MessageInvalid,
  PayloadReader,
  PayloadWriter,
  takeDatagram,
  takeMessage,
} from "@outsock/vrpc";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { makeByteRing } from "./byte-ring.ts";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const READS = ["u32", "i32", "endpoint", "rings", "text", "end"] as const;

function declaredOnly(use: () => void): void {
  try {
    use();
  } catch (error) {
    if (!(error instanceof MessageInvalid || error instanceof RingCorrupted)) throw error;
  }
}

/** Everything that reads what a peer wrote. */
function readAll(bytes: Uint8Array, order: readonly number[], tail: number, start: number): void {
  for (const take of [takeMessage, takeDatagram]) {
    const { memory, producer, consumer } = makeByteRing(4096, start);
    producer.write(bytes);
    memory.words[0] = (memory.words[0]! + tail) | 0;
    declaredOnly(() => {
      for (let n = 0; n <= 4096; n++) {
        const taken = take(consumer);
        if (taken === undefined) return;
        const payload = "message" in taken ? taken.message.payload : taken.payload;
        expect(payload.length).toBeLessThanOrEqual(
          "message" in taken ? MESSAGE_MAX_BYTES : bytes.length,
        );
        declaredOnly(() => {
          const reader = new PayloadReader(payload);
          for (const read of order) reader[READS[read % READS.length]!]();
        });
      }
      throw new Error("more messages than bytes");
    });
  }
  declaredOnly(() => {
    const reader = new PayloadReader(bytes);
    for (const read of order) reader[READS[read % READS.length]!]();
  });
  declaredOnly(() => void decodeEndpoint(bytes, order.length));
}

const orders = fc.array(fc.nat(READS.length - 1), { maxLength: 12 });
const starts = fc.constantFrom(0, -1, -50, 2 ** 31 - 1, 2 ** 31 - 50);
/** Mostly an honest tail, else one near it, else anything. */
const tails = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  fc.integer({ min: -4100, max: 4100 }),
  fc.integer(),
);

describe("only declared errors escape", () => {
  it("any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), orders, tails, starts, readAll), {
      numRuns: 10_000,
    });
  });

  it("valid messages with some bytes changed", () => {
    const message = fc
      .record({ opcode: fc.nat(70), text: fc.string({ maxLength: 40 }), n: fc.nat(70_000) })
      .map(({ opcode, text, n }) => {
        const writer = new PayloadWriter()
          .u32(n)
          .endpoint({ address: "1.2.3.4", port: n & 0xffff, family: 4 })
          .text(text)
          .rings({ txOffset: n, txCapacity: 4096, rxOffset: n, rxCapacity: 4096 });
        return encodeMessage({ opcode, sequence: n, socket: n, status: 0, payload: writer.done() });
      });
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 4 }),
        changes,
        orders,
        tails,
        starts,
        (all, edits, order, tail, start) => {
          const bytes = new Uint8Array(Buffer.concat(all));
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          readAll(bytes, order, tail, start);
        },
      ),
      { numRuns: 5000 },
    );
  });

  const corpus = join(import.meta.dirname, "corpus");
  it.each(readdirSync(corpus))("corpus: %s", (name) => {
    const hex = readFileSync(join(corpus, name), "utf8").replaceAll(/\s+/g, "");
    const bytes = new Uint8Array(Buffer.from(hex, "hex"));
    expect(bytes.length * 2).toBe(hex.length);
    for (const start of [0, -7, 2 ** 31 - 7]) {
      for (const tail of [0, 1, -1, 4096, -(2 ** 31)]) {
        for (let first = 0; first < READS.length; first++) {
          readAll(bytes, [first, first, 0, 4, 5], tail, start);
        }
      }
    }
  });

  it("any versions offered: one that both speak, or none", () => {
    const anything = fc.oneof(fc.integer({ min: -3, max: 5 }), fc.double(), fc.anything());
    fc.assert(
      fc.property(anything, anything, (min, max) => {
        const version = agreeVersion(min as number, max as number);
        const speaks = Number.isInteger(min) && Number.isInteger(max);
        const highest = speaks ? Math.min(max as number, PROTOCOL_MAX) : 0;
        const agreed = speaks && highest >= Math.max(min as number, PROTOCOL_MIN);
        expect(version).toBe(agreed ? highest : undefined);
      }),
    );
  });
});
