import { between, pick, type Random } from "./random.ts";

/** Ratings of the published loader and emulator. */
export const RATINGS = [-5, -3, 0, 3, 5] as const;
export const MAX_DESCRIPTION = 8192;
export const MAX_COMMENT = 2048;
export const MAX_INITIAL_PRICE = 5000;
export const MAX_DURATION_DAYS = 7;

const SENTENCE =
  "This item was listed by the client emulator and is described in words that mean nothing. ";

/** Text of a given length; its words don't matter, its size does. */
export function filler(length: number): string {
  return SENTENCE.repeat(Math.ceil(length / SENTENCE.length)).slice(0, length);
}

/** Values of a form, in the order of its fields. */
export type Fields = Readonly<Record<string, string | number>>;

/** Prices have cents; sums of them shouldn't show binary fractions. */
const cents = (value: number): number => Math.round(value * 100) / 100;

/** A user that the data set doesn't have yet. `id` is above the number of users loaded. */
export function newUser(id: number, region: string): Fields {
  return {
    firstname: `Great${id}`,
    lastname: `User${id}`,
    nickname: `user${id}`,
    email: `Great${id}.User${id}@rubis.com`,
    password: `password${id}`,
    region,
  };
}

/** bid = minBid + a, maxBid = minBid + 2a, a = U[1,10]; qty U[1,maxQty]. */
export function bidValues(random: Random, minBid: number, maxQty: number): Fields {
  const a = between(random, 1, 10);
  return {
    bid: cents(minBid + a),
    maxBid: cents(minBid + 2 * a),
    qty: quantity(random, maxQty),
  };
}

export function quantity(random: Random, maxQty: number): number {
  return between(random, 1, Math.max(1, maxQty));
}

export function commentValues(random: Random): Fields {
  return {
    rating: pick(random, RATINGS) ?? 0,
    comment: filler(between(random, 1, MAX_COMMENT)),
  };
}

/**
 * An item for sale: initial price U[1,5000]; a reserve on 40 % = initial + U[0,999]; buy-now on
 * 10 % = initial + reserve + U[0,999]; quantity 1 for 80 %, else U[1,10]; U[1,7] days.
 */
export function newItem(random: Random): Fields {
  const initialPrice = between(random, 1, MAX_INITIAL_PRICE);
  const reservePrice = random() < 0.4 ? initialPrice + between(random, 0, 999) : 0;
  const buyNow = random() < 0.1 ? initialPrice + reservePrice + between(random, 0, 999) : 0;
  return {
    name: "RUBiS automatically generated item",
    description: filler(between(random, 1, MAX_DESCRIPTION)),
    initialPrice,
    reservePrice,
    buyNow,
    duration: between(random, 1, MAX_DURATION_DAYS),
    quantity: random() < 0.8 ? 1 : between(random, 1, 10),
  };
}
