/** A source of numbers uniform over [0, 1). The core draws no random number of its own. */
export type Random = () => number;

/**
 * A seeded generator (sfc32). Every client of a run takes its own `stream` of one seed, so that a
 * client's walk doesn't depend on how fast the other clients were answered.
 */
export function seededRandom(seed: number, stream = 0): Random {
  let a = seed | 0;
  let b = (stream + 0x9e3779b9) | 0;
  let c = 0x243f6a88;
  let counter = 1;
  const draw = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4294967296;
  };
  // The first outputs of neighbouring seeds are alike: mix them away.
  for (let i = 0; i < 15; i += 1) draw();
  return draw;
}

/** A whole number uniform over [low, high], both included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** One of the items, or undefined of an empty list. */
export function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[Math.floor(random() * items.length)];
}
