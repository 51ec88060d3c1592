/**
 * Every interleaving of a sender whose ring grows and shrinks and a receiver (see
 * model-check.ts), over the real ring; then with one step of the window protocol broken at a time.
 */
import { RingConsumer, type RingPlace, RingProducer, type WindowPolicy } from "@outsock/ring";
import { describe, expect, it, vi } from "vitest";
import type { Verdict } from "./model-check.ts";
import { type Inner, inner, type Parts, REAL, stream } from "./stream-model.ts";
import { ringPlace } from "./tiny-region.ts";

vi.setConfig({ testTimeout: 60_000 });

const WINDOW_WORD = 29;
/** Two windows, 2 and 8 bytes; the ring takes the place of those of both sockets. */
const PLACE: RingPlace = {
  ...ringPlace(0, "tx"),
  windowWord: WINDOW_WORD,
  windowLeast: 2,
  capacity: 8,
};
const EAGER: WindowPolicy = { least: 2, most: 8, growAfter: 1, shrinkAfter: 1 };

function send(parts: Partial<Parts>, chunks: readonly number[], start = 0): Verdict {
  const real: Parts = { ...REAL, placeOf: () => PLACE, options: { windows: EAGER } };
  return stream({ ...real, ...parts }, start, 1, chunks, 8);
}

interface WindowInner extends Inner {
  place: Inner["place"] & { windowWord: number; tailWord: number };
  window: number;
  change(window: number): void;
  takeWindow(): void;
  settle(length: number): void;
}
const opened = (object: object): WindowInner => inner(object) as WindowInner;

/** Grows (two chunks of 2 do not fit), and shrinks when chunks of 1 found it empty. */
const CHUNKS = [2, 2, 1, 1];

/** How often each producer of the exploration changed its window, so that a model shows its worth. */
function counting(): { producer: typeof RingProducer; changes: () => number[] } {
  const seen = new Set<number>();
  return {
    changes: () => [...seen].sort((a, b) => a - b),
    producer: class extends RingProducer {
      override commit(length: number): void {
        seen.add(this.window);
        super.commit(length);
      }
    },
  };
}

describe("every interleaving with a window that changes", () => {
  for (const start of [0, -3]) {
    it(`delivers all bytes in order, indexes from ${start}`, () => {
      const { producer, changes } = counting();
      const verdict = send({ producer }, CHUNKS, start);
      expect(verdict.violation).toBeUndefined();
      expect(verdict.states).toBeGreaterThan(10_000);
      expect(changes()).toEqual([2, 8]);
    });

    it(`delivers what is put in spans handed out ahead, indexes from ${start}`, () => {
      const { producer, changes } = counting();
      const verdict = send({ producer, spans: true }, [2, 2, 1], start);
      expect(verdict.violation).toBeUndefined();
      expect(changes()).toEqual([2, 8]);
    });
  }

  it("delivers a chunk larger than the window it finds", () => {
    expect(send({}, [1, 8, 3]).violation).toBeUndefined();
  });
});

describe("the checker finds a window protocol that is broken", () => {
  class ChangesWithBytesInside extends RingProducer {
    override freeOrWait(want: number): number {
      const free = super.freeOrWait(want);
      if (free < want && this.window < 8) opened(this).change(8);
      return free;
    }
  }

  /** A word that no consumer looks at. */
  const ELSEWHERE = 31;

  class NeverStoresTheWindow extends RingProducer {
    constructor(...args: ConstructorParameters<typeof RingProducer>) {
      super(...args);
      const self = opened(this);
      self.place = { ...self.place, windowWord: ELSEWHERE };
    }
  }

  class StoresTheWindowAfterTheTail extends NeverStoresTheWindow {
    override commit(length: number): void {
      super.commit(length);
      const { words } = opened(this);
      const word = Atomics.load(words, ELSEWHERE);
      if (word !== 0) Atomics.store(words, WINDOW_WORD, word);
    }
  }

  class TakesTheWindowOnce extends RingConsumer {
    taken = 0;

    constructor(...args: ConstructorParameters<typeof RingConsumer>) {
      super(...args);
      const take = opened(this).takeWindow.bind(this);
      opened(this).takeWindow = () => {
        if (this.taken === 0) take();
        this.taken = 1;
      };
    }
  }

  class LooksAtTheWindowBeforeTheTail extends RingConsumer {
    override available(): number {
      const self = opened(this);
      self.takeWindow();
      const take = self.takeWindow;
      self.takeWindow = () => {};
      try {
        return super.available();
      } finally {
        self.takeWindow = take;
      }
    }
  }

  class LeavesBytesInTheOldSpan extends RingProducer {
    constructor(...args: ConstructorParameters<typeof RingProducer>) {
      super(...args);
      opened(this).settle = () => {};
    }
  }

  class AsksForEmptinessWithoutLooking extends RingProducer {
    override freeOrWait(want: number): number {
      const free = this.free();
      const { place, words } = opened(this);
      if (free < want) Atomics.store(words, place.wantWord, this.window);
      return free;
    }
  }

  const WRONG = /is due|ring fill/;
  const broken: [string, Partial<Parts>, RegExp][] = [
    ["a producer that changes it with bytes inside", { producer: ChangesWithBytesInside }, WRONG],
    ["a producer that stores it after the tail", { producer: StoresTheWindowAfterTheTail }, WRONG],
    ["a producer that does not store it", { producer: NeverStoresTheWindow }, WRONG],
    ["a consumer that takes it once", { consumer: TakesTheWindowOnce }, WRONG],
    [
      "a consumer that looks at it before the tail",
      { consumer: LooksAtTheWindowBeforeTheTail },
      WRONG,
    ],
    [
      "a producer that leaves bytes in the old span",
      { producer: LeavesBytesInTheOldSpan, spans: true },
      WRONG,
    ],
    [
      "a producer that asks for emptiness without looking again",
      { producer: AsksForEmptinessWithoutLooking },
      /lost wake-up/,
    ],
  ];

  for (const [name, parts, message] of broken) {
    it(name, () => {
      expect(send(parts, CHUNKS).violation).toMatch(message);
    });
  }
});
