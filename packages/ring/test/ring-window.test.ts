import {
  GrownRings,
  type ProducerOptions,
  RingConsumer,
  RingCorrupted,
  type RingPlace,
  RingProducer,
  type Span,
  WINDOWS,
  type WindowPolicy,
} from "@outsock/ring";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261128 });
vi.setConfig({ testTimeout: 60_000 });

const CONTROL = 64;
const GUARD = 32;
const WINDOW_WORD = 3;

function makeRing(capacity: number, options: ProducerOptions = {}, start = 0) {
  const buffer = new ArrayBuffer(CONTROL + GUARD * 2 + capacity);
  const memory = { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
  const place: RingPlace = {
    tailWord: 0,
    headWord: 1,
    wantWord: 2,
    windowWord: WINDOW_WORD,
    windowLeast: Math.min(
      capacity,
      typeof options.windows === "object" ? options.windows.least : 4096,
    ),
    offset: CONTROL + GUARD,
    capacity,
  };
  memory.words[0] = start;
  memory.words[1] = start;
  memory.bytes.fill(0xee, CONTROL, CONTROL + GUARD);
  memory.bytes.fill(0xee, CONTROL + GUARD + capacity);
  return {
    memory,
    place,
    producer: new RingProducer(memory, place, options),
    consumer: new RingConsumer(memory, place),
    guardsIntact: () =>
      memory.bytes.subarray(CONTROL, CONTROL + GUARD).every((b) => b === 0xee) &&
      memory.bytes.subarray(CONTROL + GUARD + capacity).every((b) => b === 0xee),
  };
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Writes `bytes` bytes as a socket does, the consumer taking all whenever the producer waits. */
function transfer({ producer, consumer }: ReturnType<typeof makeRing>, bytes: number): void {
  const chunk = new Uint8Array(64 * KIB);
  for (let left = bytes; left > 0; ) {
    left -= producer.write(chunk.subarray(0, Math.min(left, chunk.length)));
    const want = Math.min(producer.window / 2, left);
    if (producer.freeOrWait(want) < want) expect(consumer.consume(consumer.available())).toBe(true);
  }
  consumer.consume(consumer.available());
}

describe("a ring's window", () => {
  it("not asked for: the whole capacity, and the word stays zero", () => {
    const ring = makeRing(MIB);
    expect(ring.producer.window).toBe(MIB);
    transfer(ring, 4 * MIB);
    expect(ring.memory.words[WINDOW_WORD]).toBe(0);
  });

  it("fresh ring: 16 KiB, and the word says so before the first byte", () => {
    const { consumer, memory, producer } = makeRing(MIB, { windows: true });
    expect(memory.words[WINDOW_WORD]).toBe(14);
    expect(producer.free()).toBe(16 * KIB);
    producer.write(new Uint8Array(1));
    expect(consumer.available()).toBe(1);
    expect(consumer.window).toBe(16 * KIB);
  });

  it("ring no larger than the least window: all of it", () => {
    const ring = makeRing(4 * KIB, { windows: true });
    expect(ring.producer.window).toBe(4 * KIB);
    transfer(ring, MIB);
    expect(ring.memory.words[WINDOW_WORD]).toBe(0);
  });

  it("bulk transfer: grows by four up to the capacity", () => {
    const ring = makeRing(MIB, { windows: true });
    const windows = new Set<number>();
    for (let i = 0; i < 64; i++) {
      transfer(ring, 64 * KIB);
      windows.add(ring.producer.window);
    }
    transfer(ring, 8 * MIB);
    expect([...windows].every((window) => [16, 64, 256, 1024].includes(window / KIB))).toBe(true);
    expect(ring.producer.window).toBe(MIB);
    expect(ring.consumer.window).toBe(MIB);
  });

  it("more wanted than the window of an empty ring: grows at once", () => {
    const { producer } = makeRing(MIB, { windows: true });
    expect(producer.freeOrWait(100 * KIB)).toBe(256 * KIB);
  });

  it("small messages: stays small for ever", () => {
    const { consumer, producer } = makeRing(MIB, { windows: true });
    for (let i = 0; i < 10_000; i++) {
      expect(producer.write(new Uint8Array(100))).toBe(100);
      consumer.consume(consumer.available());
    }
    expect(producer.window).toBe(16 * KIB);
  });

  it("small messages after bulk: shrinks step by step, and hands out what lies beyond", () => {
    const shrunk: [number, number][] = [];
    const ring = makeRing(MIB, {
      windows: true,
      onShrink: (offset, length) => shrunk.push([offset - CONTROL - GUARD, length]),
    });
    const { consumer, producer } = ring;
    transfer(ring, 8 * MIB);
    expect(producer.window).toBe(MIB);
    for (let i = 0; i < 4 * WINDOWS.shrinkAfter; i++) {
      producer.write(new Uint8Array(100));
      consumer.consume(consumer.available());
    }
    expect(shrunk).toEqual([
      [256 * KIB, 768 * KIB],
      [64 * KIB, 192 * KIB],
      [16 * KIB, 48 * KIB],
    ]);
  });

  it("a burst now and then among small messages: does not shrink", () => {
    const ring = makeRing(MIB, { windows: true });
    transfer(ring, 8 * MIB);
    for (let i = 0; i < 20; i++) {
      ring.producer.write(new Uint8Array(512 * KIB));
      ring.consumer.consume(ring.consumer.available());
      for (let n = 0; n < WINDOWS.shrinkAfter / 2; n++) {
        ring.producer.write(new Uint8Array(100));
        ring.consumer.consume(ring.consumer.available());
      }
    }
    expect(ring.producer.window).toBe(MIB);
  });

  it("window changed while a span is out: the bytes in it arrive where they belong", () => {
    for (const [window, filled] of [
      [16, 12],
      [64, 9],
    ] as const) {
      const policy: WindowPolicy = { least: 16, most: 64, growAfter: 1, shrinkAfter: 1 };
      const ring = makeRing(64, { windows: policy }, 3 * 16 + 4);
      const { consumer, memory, producer } = ring;
      if (window === 16) expect(producer.freeOrWait(17)).toBe(64);
      const span = producer.spanAhead(filled);
      expect(span.length).toBe(filled);
      if (window === 16) {
        producer.trim();
        expect(producer.trim()).toBe(true);
      } else {
        producer.freeOrWait(17);
      }
      expect(producer.window).toBe(window);
      const bytes = Uint8Array.from({ length: filled }, (_, i) => i + 1);
      memory.bytes.set(bytes, span.offset);
      producer.commit(filled);
      const out = new Uint8Array(filled);
      expect(consumer.available()).toBe(filled);
      consumer.copyOut(out, 0, filled);
      expect([...out]).toEqual([...bytes]);
      expect(ring.guardsIntact()).toBe(true);
    }
  });
});

describe("grown rings", () => {
  function makeGrown() {
    const due: (() => void)[] = [];
    const grown = new GrownRings((sweep) => due.push(sweep));
    return {
      due,
      grown,
      sweep: () => {
        const sweep = due.pop();
        sweep?.();
        return sweep !== undefined;
      },
    };
  }

  it("nothing grown: no sweep is due", () => {
    const { due, grown } = makeGrown();
    makeRing(MIB, { windows: true, grown });
    expect(due).toEqual([]);
  });

  it("rests for two sweeps: shrinks to the least window, and no further sweep is due", () => {
    const { grown, sweep } = makeGrown();
    const freed: number[] = [];
    const ring = makeRing(MIB, {
      windows: true,
      grown,
      onShrink: (_, length) => freed.push(length),
    });
    transfer(ring, 8 * MIB);
    expect(grown.size).toBe(1);
    expect(sweep()).toBe(true);
    expect(ring.producer.window).toBe(MIB);
    expect(sweep()).toBe(true);
    expect(ring.producer.window).toBe(16 * KIB);
    expect(freed).toEqual([MIB - 16 * KIB]);
    expect(grown.size).toBe(0);
    expect(sweep()).toBe(false);
    transfer(ring, 8 * MIB);
    expect(ring.producer.window).toBe(MIB);
    expect(grown.size).toBe(1);
  });

  it("in use, or bytes unread: not shrunk", () => {
    const { grown, sweep } = makeGrown();
    const ring = makeRing(MIB, { windows: true, grown });
    transfer(ring, 8 * MIB);
    for (let i = 0; i < 5; i++) {
      transfer(ring, 10);
      sweep();
    }
    ring.producer.write(new Uint8Array(10));
    for (let i = 0; i < 5; i++) sweep();
    expect(ring.producer.window).toBe(MIB);
  });

  it("a span of 64 KiB is out: shrinks to what holds it", () => {
    const { grown, sweep } = makeGrown();
    const ring = makeRing(MIB, { windows: true, grown });
    transfer(ring, 8 * MIB);
    ring.producer.spanAhead(64 * KIB);
    for (let i = 0; i < 3; i++) sweep();
    expect(ring.producer.window).toBe(64 * KIB);
    expect(grown.size).toBe(1);
  });

  it("closed: no sweep touches it", () => {
    const { grown, sweep } = makeGrown();
    const ring = makeRing(MIB, { windows: true, grown });
    transfer(ring, 8 * MIB);
    ring.producer.close();
    ring.memory.words[WINDOW_WORD] = 77;
    for (let i = 0; i < 3; i++) sweep();
    expect(ring.memory.words[WINDOW_WORD]).toBe(77);
  });
});

describe("two sides in any order", () => {
  type Action = { do: "write" | "span" | "fill" | "wait" | "trim" | "read" | "peek"; n: number };
  const action = fc.record({
    do: fc.constantFrom("write", "write", "span", "fill", "wait", "trim", "read", "read", "peek"),
    n: fc.nat(70),
  }) as fc.Arbitrary<Action>;
  const policies = fc.record({
    least: fc.constantFrom(2, 4, 16),
    most: fc.constantFrom(32, 64),
    growAfter: fc.integer({ min: 1, max: 3 }),
    shrinkAfter: fc.integer({ min: 1, max: 3 }),
  });

  it("a window that changes, indexes wrapping: same bytes, same order, nothing outside", () => {
    const changes = new Map<string, number>();
    fc.assert(
      fc.property(
        policies,
        fc.constantFrom(0, -1, 2 ** 31 - 5, -(2 ** 31), 7),
        fc.array(action, { maxLength: 150 }),
        (windows, start, actions) => {
          const shrunk: Span[] = [];
          const ring = makeRing(
            64,
            { windows, onShrink: (offset, length) => shrunk.push({ offset, length }) },
            start,
          );
          const { consumer, memory, producer } = ring;
          const model: number[] = [];
          let next = 0;
          let span: Span | undefined;
          let before = producer.window;
          for (const { do: what, n } of actions) {
            if (what === "write" && span === undefined) {
              const bytes = Uint8Array.from({ length: n }, () => next++ & 255);
              const written = producer.write(bytes);
              next -= n - written;
              model.push(...bytes.subarray(0, written));
            } else if (what === "span" && span === undefined && n > 0) {
              span = producer.spanAhead(n);
            } else if (what === "fill" && span !== undefined) {
              if (producer.freeOrWait(span.length) < span.length) continue;
              const length = 1 + (n % span.length);
              const bytes = Uint8Array.from({ length }, () => next++ & 255);
              memory.bytes.set(bytes, span.offset);
              producer.commit(length);
              span = undefined;
              model.push(...bytes);
            } else if (what === "wait") {
              const free = producer.freeOrWait(n);
              expect(free).toBe(producer.window - model.length);
            } else if (what === "trim") {
              producer.trim();
              producer.trim();
            } else if (what === "read") {
              expect(consumer.available()).toBe(model.length);
              const length = Math.min(n, model.length);
              const out = new Uint8Array(length);
              consumer.copyOut(out, 0, length);
              expect([...out]).toEqual(model.splice(0, length));
              consumer.consume(length);
            } else if (what === "peek") {
              const { offset, length } = consumer.peek(n);
              const seen = memory.bytes.subarray(offset, offset + length);
              expect([...seen]).toEqual(model.splice(0, length));
              consumer.consume(length);
            }
            // What was given back reads as zeros from now on.
            for (const { offset, length } of shrunk.splice(0)) {
              memory.bytes.fill(0, offset, offset + length);
            }
            if (producer.window !== before) {
              const key = producer.window > before ? "grew" : "shrank";
              changes.set(key, (changes.get(key) ?? 0) + 1);
              before = producer.window;
            }
            expect(producer.fill()).toBe(model.length);
          }
          expect(consumer.available()).toBe(model.length);
          expect(ring.guardsIntact()).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
    expect(changes.get("grew")).toBeGreaterThan(300);
    expect(changes.get("shrank")).toBeGreaterThan(100);
  });

  it("a producer that waits for any number of bytes: told of them, never stuck", () => {
    fc.assert(
      fc.property(
        policies,
        fc.array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 64 })), {
          maxLength: 60,
        }),
        (windows, rounds) => {
          const { consumer, producer } = makeRing(64, { windows });
          for (const [size, step] of rounds) {
            // What waits gets its room by one notification, or by some more after it asked again.
            while (producer.freeOrWait(size) < size) {
              let told = false;
              while (!told) {
                const available = consumer.available();
                expect(available).toBeGreaterThan(0);
                told = consumer.consume(Math.min(available, step));
              }
            }
            expect(producer.write(new Uint8Array(size))).toBe(size);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("a hostile producer", () => {
  it("window words of any value: a window within the ring or RingCorrupted, nothing outside", () => {
    const words = fc.oneof(fc.integer({ min: -3, max: 40 }), fc.integer());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(words, fc.integer({ min: -5, max: 9000 }), fc.nat(9000)), {
          maxLength: 20,
        }),
        (rounds) => {
          const ring = makeRing(8 * KIB);
          const { consumer, memory, place } = ring;
          for (const [word, ahead, n] of rounds) {
            memory.words[WINDOW_WORD] = word;
            memory.words[0] = memory.words[1]! + ahead;
            try {
              const { offset, length } = consumer.peek(n);
              expect(offset).toBeGreaterThanOrEqual(place.offset);
              expect(offset + length).toBeLessThanOrEqual(place.offset + place.capacity);
              expect([4 * KIB, 8 * KIB]).toContain(consumer.window);
              consumer.copyOut(new Uint8Array(9000), 0, Math.min(n, consumer.available()));
              consumer.consume(length);
            } catch (error) {
              if (!(error instanceof RingCorrupted)) throw error;
            }
          }
          expect(ring.guardsIntact()).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("window of 2 KiB, of more than the ring, or negative: RingCorrupted", () => {
    for (const word of [11, 14, 31, 32, -1, 2 ** 31 - 1]) {
      const { consumer, memory } = makeRing(8 * KIB);
      memory.words[WINDOW_WORD] = word;
      expect(consumer.available()).toBe(0);
      memory.words[0] = 1;
      expect(() => consumer.available()).toThrow(RingCorrupted);
    }
  });

  it("window changed with bytes inside: the consumer stays with the one it took", () => {
    const { consumer, memory } = makeRing(8 * KIB);
    memory.words[WINDOW_WORD] = 12;
    memory.words[0] = 100;
    expect(consumer.available()).toBe(100);
    memory.words[WINDOW_WORD] = 13;
    memory.words[0] = 5000;
    expect(() => consumer.available()).toThrow("ring fill 5000 is outside 0..4096");
  });
});
