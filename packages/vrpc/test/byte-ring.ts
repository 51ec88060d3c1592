/** A ring to put messages or any bytes in. */
import { RingConsumer, type RingPlace, RingProducer } from "@outsock/ring";

export function makeByteRing(capacity: number, start = 0) {
  const buffer = new ArrayBuffer(64 + capacity);
  const memory = { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
  const place: RingPlace = { tailWord: 0, headWord: 1, wantWord: 2, offset: 64, capacity };
  memory.words[0] = start;
  memory.words[1] = start;
  return {
    memory,
    producer: new RingProducer(memory, place),
    consumer: new RingConsumer(memory, place),
  };
}
