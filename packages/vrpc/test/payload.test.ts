import { type Endpoint, MessageInvalid, PayloadReader, PayloadWriter } from "@outsock/vrpc";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const word = fc.nat(2 ** 32 - 1);
const fields = fc.array(
  fc.oneof(
    word.map((value) => ({ kind: "u32" as const, value })),
    fc.integer().map((value) => ({ kind: "i32" as const, value })),
    fc.string({ unit: "binary", maxLength: 80 }).map((value) => ({ kind: "text" as const, value })),
    fc.record({ address: fc.ipV4(), port: fc.nat(65535) }).map(({ address, port }) => ({
      kind: "endpoint" as const,
      value: { address, port, family: 4 } satisfies Endpoint,
    })),
    fc
      .record({ txOffset: word, txCapacity: word, rxOffset: word, rxCapacity: word })
      .map((value) => ({ kind: "rings" as const, value })),
  ),
  { maxLength: 20 },
);

describe("a payload", () => {
  it("any fields: the same after a round trip, nothing left over, every prefix too short", () => {
    fc.assert(
      fc.property(fields, fc.nat(), (list, cut) => {
        const writer = new PayloadWriter();
        for (const field of list) {
          if (field.kind === "text") writer.text(field.value);
          else if (field.kind === "endpoint") writer.endpoint(field.value);
          else if (field.kind === "rings") writer.rings(field.value);
          else writer.u32(field.value);
        }
        const bytes = writer.done();
        const read = (reader: PayloadReader): unknown[] => {
          const values = list.map(({ kind }) => reader[kind]());
          reader.end();
          return values;
        };
        expect(read(new PayloadReader(bytes))).toEqual(list.map(({ value }) => value));
        if (bytes.length > 0) {
          const short = bytes.subarray(0, cut % bytes.length);
          expect(() => read(new PayloadReader(short))).toThrow(MessageInvalid);
          expect(() => read(new PayloadReader(Uint8Array.of(...bytes, 0)))).toThrow(MessageInvalid);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("text with a byte order mark: kept", () => {
    const bytes = new PayloadWriter().text("\ufeffa").done();
    expect(new PayloadReader(bytes).text()).toBe("\ufeffa");
  });

  it("text that is no UTF-8: MessageInvalid", () => {
    const reader = new PayloadReader(Uint8Array.of(2, 0, 0, 0, 0xc3, 0x28));
    expect(() => reader.text()).toThrow("text is not UTF-8");
  });

  it("text of 4 GiB: MessageInvalid", () => {
    const reader = new PayloadReader(Uint8Array.of(255, 255, 255, 255, 65));
    expect(() => reader.text()).toThrow("text is cut off");
  });
});
