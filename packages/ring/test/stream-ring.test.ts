import { RingConsumer, RingCorrupted, type RingPlace, RingProducer } from "@outsock/ring";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const CONTROL = 64;
/** Bytes around the ring that nobody may touch. */
const GUARD = 32;

function makeRing(capacity: number, start = 0) {
  const buffer = new ArrayBuffer(CONTROL + GUARD * 2 + Math.ceil(capacity / 4) * 4);
  const memory = { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
  const place: RingPlace = {
    tailWord: 0,
    headWord: 1,
    wantWord: 2,
    offset: CONTROL + GUARD,
    capacity,
  };
  memory.words[place.tailWord] = start;
  memory.words[place.headWord] = start;
  memory.bytes.fill(0xee, CONTROL, CONTROL + GUARD);
  memory.bytes.fill(0xee, CONTROL + GUARD + capacity);
  return {
    memory,
    place,
    producer: new RingProducer(memory, place),
    consumer: new RingConsumer(memory, place),
    guardsIntact: () =>
      memory.bytes.subarray(CONTROL, CONTROL + GUARD).every((b) => b === 0xee) &&
      memory.bytes.subarray(CONTROL + GUARD + capacity).every((b) => b === 0xee),
  };
}

/** Starts around which 32-bit indexes wrap, signed and unsigned. */
const starts = fc.oneof(
  fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)),
  fc.integer({ min: -40, max: 0 }),
  fc.integer({ min: 2 ** 31 - 40, max: 2 ** 31 - 1 }),
);
const capacities = fc.integer({ min: 0, max: 6 }).map((n) => 2 ** n);

describe("a ring", () => {
  type Action =
    | { do: "write" | "writeAll" | "span" | "wait"; n: number }
    | { do: "read" | "peek" | "skip"; n: number };
  const action: fc.Arbitrary<Action> = fc.record({
    do: fc.constantFrom("write", "writeAll", "span", "wait", "read", "peek", "skip"),
    n: fc.nat(70),
  }) as fc.Arbitrary<Action>;

  it("any writes and reads, any capacity, indexes wrapping: same bytes, same order", () => {
    fc.assert(
      fc.property(
        capacities,
        starts,
        fc.array(action, { maxLength: 120 }),
        (cap, start, actions) => {
          const { memory, place, producer, consumer, guardsIntact } = makeRing(cap, start);
          const model: number[] = [];
          let waiting = 0;
          let next = 0;
          const make = (n: number): Uint8Array =>
            Uint8Array.from({ length: n }, () => next++ & 255);
          const consumed = (n: number): void => {
            const notify = consumer.consume(n);
            // Notified exactly when the producer waits and what it waits for fits.
            const due = waiting > 0 && cap - model.length >= waiting;
            expect(notify).toBe(due);
            if (due) waiting = 0;
          };
          for (const { do: what, n } of actions) {
            const free = cap - model.length;
            if (what === "write") {
              const before = next;
              const bytes = make(n);
              const written = producer.write(bytes);
              expect(written).toBe(Math.min(n, free));
              next = before + written;
              model.push(...bytes.subarray(0, written));
            } else if (what === "writeAll") {
              const bytes = make(Math.min(n, free));
              const cut = bytes.length >> 1;
              producer.writeAll(bytes.subarray(0, cut), bytes.subarray(cut));
              model.push(...bytes);
            } else if (what === "span") {
              const span = producer.spanAhead(Math.min(n, free));
              const bytes = make(span.length);
              memory.bytes.set(bytes, span.offset);
              producer.commit(span.length);
              model.push(...bytes);
            } else if (what === "wait") {
              expect(producer.freeOrWait(n)).toBe(free);
              if (n > free) waiting = Math.min(n, cap);
              expect(memory.words[place.wantWord]).toBe(waiting);
            } else if (what === "read") {
              const length = Math.min(n, model.length);
              const out = new Uint8Array(length + 2).fill(0xdd);
              consumer.copyOut(out, 1, length);
              expect([...out]).toEqual([0xdd, ...model.splice(0, length), 0xdd]);
              consumed(length);
            } else if (what === "peek") {
              const span = consumer.peek(n);
              expect(span.length).toBeLessThanOrEqual(Math.min(n, model.length));
              if (n > 0 && model.length > 0) expect(span.length).toBeGreaterThan(0);
              const seen = memory.bytes.subarray(span.offset, span.offset + span.length);
              expect([...seen]).toEqual(model.splice(0, span.length));
              consumed(span.length);
            } else {
              const ahead = Math.min(n, model.length);
              const out = new Uint8Array(model.length - ahead);
              consumer.copyOut(out, 0, out.length, ahead);
              expect([...out]).toEqual(model.slice(ahead));
            }
            expect(consumer.available()).toBe(model.length);
            expect(producer.free()).toBe(cap - model.length);
          }
          expect(guardsIntact()).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("a hostile peer that writes any words: a fill in bounds or RingCorrupted, nothing outside", () => {
    fc.assert(
      fc.property(
        capacities,
        starts,
        fc.array(fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.nat(80)), { maxLength: 20 }),
        (cap, start, rounds) => {
          const { memory, producer, consumer, guardsIntact } = makeRing(cap, start);
          for (const [tail, head, want, n] of rounds) {
            const near = n % 3 === 0;
            memory.words[0] = near ? start + n : tail;
            memory.words[1] = near ? start : head;
            memory.words[2] = want;
            for (const use of [
              () => expect(producer.write(new Uint8Array(n))).toBeLessThanOrEqual(cap),
              () => expect(producer.freeOrWait(n)).toBeLessThanOrEqual(cap),
              () => {
                const { offset, length } = consumer.peek(n);
                expect(length).toBeGreaterThanOrEqual(0);
                expect(offset).toBeGreaterThanOrEqual(CONTROL + GUARD);
                expect(offset + length).toBeLessThanOrEqual(CONTROL + GUARD + cap);
                consumer.consume(length);
              },
            ]) {
              try {
                use();
              } catch (error) {
                if (!(error instanceof RingCorrupted)) throw error;
              }
            }
            expect(guardsIntact()).toBe(true);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("tail beyond the capacity: RingCorrupted with its code, own head not moved", () => {
    const { memory, consumer } = makeRing(16);
    memory.words[0] = 17;
    expect(() => consumer.available()).toThrow(RingCorrupted);
    expect(() => consumer.peek(1)).toThrow(
      expect.objectContaining({ code: "ERR_OUTSOCK_RING_CORRUPTED" }),
    );
    expect(memory.words[1]).toBe(0);
  });

  it("tail taken back behind the head: RingCorrupted", () => {
    const { memory, producer, consumer } = makeRing(16, -3);
    producer.write(new Uint8Array(8));
    consumer.consume(8);
    memory.words[0] = -3;
    expect(() => consumer.available()).toThrow("ring fill -8 is outside 0..16");
  });

  it("more wanted than the ring holds: the consumer notifies when all is read", () => {
    const { producer, consumer } = makeRing(16);
    producer.write(new Uint8Array(16));
    expect(producer.freeOrWait(100)).toBe(0);
    expect(consumer.consume(15)).toBe(false);
    expect(consumer.consume(1)).toBe(true);
  });

  it("place outside the memory or capacity no power of two: RangeError", () => {
    const { memory, place } = makeRing(16);
    expect(() => new RingProducer(memory, { ...place, capacity: 24 })).toThrow(RangeError);
    expect(() => new RingProducer(memory, { ...place, capacity: 0 })).toThrow(RangeError);
    expect(() => new RingConsumer(memory, { ...place, offset: -4 })).toThrow(RangeError);
    expect(() => new RingConsumer(memory, { ...place, capacity: 2 ** 20 })).toThrow(RangeError);
  });
});
