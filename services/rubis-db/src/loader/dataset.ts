import { categories } from "../data/categories.ts";
import { regions } from "../data/regions.ts";
import { commentOpenings, commentSentences, descriptionSentences } from "../data/text.ts";
import { formatTimestamp } from "../wire/types.ts";
import { Random } from "./random.ts";

/**
 * The rows of RUBiS in the published distributions, as they were meant. Where the original loader
 * departs from its own description, this follows the description; README.md lists each place.
 */
export interface DataSetOptions {
  /** 1 is 1,000 items for sale. */
  scale: number;
  seed: number;
  /** The moment that the data set calls now, in milliseconds. */
  reference: number;
}

export type Cell = string | number;
export type Sink = (table: string, row: Cell[]) => void;

export interface Sizes {
  users: number;
  items: number;
  oldItems: number;
}

export function sizes(scale: number): Sizes {
  const items = Math.max(1, Math.round(1_000 * scale));
  return {
    items,
    users: Math.max(2, Math.round((items * 1_000_000) / 33_000)),
    oldItems: Math.round((items * 500_000) / 33_000),
  };
}

const day = 86_400_000;
const ratings = [-5, -3, 0, 3, 5] as const;

/** The category of each of n items: shares as published, by largest remainder, in random order. */
export function allotCategories(n: number, random: Random): number[] {
  const total = categories.reduce((sum, [, items]) => sum + items, 0);
  const shares = categories.map(([, items], i) => {
    const exact = (items * n) / total;
    return { id: i + 1, count: Math.floor(exact), rest: exact % 1 };
  });
  let missing = n - shares.reduce((sum, s) => sum + s.count, 0);
  for (const share of shares.toSorted((a, b) => b.rest - a.rest || a.id - b.id)) {
    if (missing-- <= 0) break;
    share.count++;
  }
  return random.shuffle(shares.flatMap(({ id, count }) => Array<number>(count).fill(id)));
}

/** Long runs of sentences to cut texts of any length from. */
class TextPool {
  readonly #text: string;
  readonly #starts: number[] = [];

  constructor(sentences: readonly string[], longest: number, random: Random) {
    const parts: string[] = [];
    let length = 0;
    while (length < 64 * 1024 + longest) {
      const sentence = `${random.pick(sentences)} `;
      if (length < 64 * 1024) this.#starts.push(length);
      parts.push(sentence);
      length += sentence.length;
    }
    this.#text = parts.join("");
  }

  /** Exactly `length` characters, beginning with a sentence. */
  cut(length: number, random: Random): string {
    const start = random.pick(this.#starts);
    return this.#text.slice(start, start + length);
  }
}

/** Hands over every row; each table in the order of its ids. */
export function generate(options: DataSetOptions, sink: Sink): void {
  const random = new Random(options.seed);
  new Generation(options, random, sink).run();
}

interface Auction {
  id: number;
  seller: number;
  quantity: number;
  initial: number;
  reserve: number;
  buyNow: number;
  start: number;
  end: number;
}

class Generation {
  readonly #random: Random;
  readonly #sink: Sink;
  readonly #reference: number;
  readonly #sizes: Sizes;
  readonly #descriptions: TextPool;
  readonly #comments: TextPool;
  readonly #ratings: Int32Array;
  #bid = 0;
  #comment = 0;
  #purchase = 0;

  constructor(options: DataSetOptions, random: Random, sink: Sink) {
    this.#random = random;
    this.#sink = sink;
    this.#reference = options.reference;
    this.#sizes = sizes(options.scale);
    this.#descriptions = new TextPool(descriptionSentences, 8192, random);
    this.#comments = new TextPool(commentSentences, 2048, random);
    this.#ratings = new Int32Array(this.#sizes.users + 1);
  }

  run(): void {
    categories.forEach(([name], i) => {
      this.#sink("categories", [i + 1, name]);
    });
    regions.forEach((name, i) => {
      this.#sink("regions", [i + 1, name]);
    });
    const { items, oldItems } = this.#sizes;
    // One sequence of ids for both tables: an item keeps its id, and its bids, when it gets old.
    this.#auctions("old_items", 1, oldItems);
    this.#auctions("items", oldItems + 1, items);
    // Last, since a user's rating is the sum of the comments on that user.
    this.#users();
  }

  #user(): number {
    return this.#random.between(1, this.#sizes.users);
  }

  #auctions(table: "items" | "old_items", first: number, count: number): void {
    const allotted = allotCategories(count, this.#random);
    for (let i = 0; i < count; i++) {
      const random = this.#random;
      const initial = random.between(1, 5000);
      const duration = random.between(1, 7) * day;
      const old = table === "old_items";
      const end = old
        ? this.#reference - random.between(1, 7) * day - random.between(0, 86_399) * 1000
        : this.#reference + duration;
      const reserve = random.chance(0.4) ? initial + random.between(0, 999) : 0;
      const buyNow = random.chance(0.1) ? initial + reserve + random.between(0, 999) : 0;
      const quantity = random.chance(0.8) ? 1 : random.between(1, 10);
      const seller = this.#user();
      const auction = {
        id: first + i,
        seller,
        quantity,
        initial,
        reserve,
        buyNow,
        start: end - duration,
        end,
      };
      const { bids, maxBid } = this.#bids(auction, old);
      const left = old ? this.#conclude(auction, bids, maxBid) : quantity;
      this.#sink(table, [
        auction.id,
        `RUBiS automatically generated item #${auction.id}`,
        this.#descriptions.cut(random.between(1, 8192), random),
        initial,
        left,
        reserve,
        buyNow,
        bids,
        maxBid,
        formatTimestamp(auction.start),
        formatTimestamp(end),
        seller,
        allotted[i] ?? 1,
      ]);
    }
  }

  #bids(auction: Auction, old: boolean): { bids: number; maxBid: number } {
    const random = this.#random;
    const bids = random.between(0, 19);
    let price = auction.initial;
    for (let k = 1; k <= bids; k++) {
      const increment = random.between(1, 10);
      const maxBid = price + 2 * increment;
      price += increment;
      // An auction that runs began at the reference, so its bids are of that moment too.
      const elapsed = old ? ((auction.end - auction.start) * k) / 20 : 0;
      const date = auction.start + Math.floor(elapsed / 1000) * 1000;
      this.#sink("bids", [
        ++this.#bid,
        this.#user(),
        auction.id,
        random.between(1, auction.quantity),
        price,
        maxBid,
        formatTimestamp(date),
      ]);
    }
    return { bids, maxBid: bids > 0 ? price : 0 };
  }

  /** What followed on an auction that ended: a purchase at once, a comment. Gives what is left. */
  #conclude(auction: Auction, bids: number, maxBid: number): number {
    const random = this.#random;
    let left = auction.quantity;
    // 10 % have a price to buy now, and most were bought: under 10 % of all items.
    const bought = auction.buyNow > 0 && random.chance(0.9);
    if (bought) {
      const qty = random.between(1, auction.quantity);
      left -= qty;
      const date = formatTimestamp(auction.end);
      this.#sink("buy_now", [++this.#purchase, this.#user(), auction.id, qty, date]);
    }
    const sold = bought || (bids > 0 && maxBid >= auction.reserve);
    if (sold && random.chance(0.95)) this.#leaveComment(auction);
    return left;
  }

  #leaveComment(auction: Auction): void {
    const random = this.#random;
    const rating = random.pick(ratings);
    const length = random.between(1, 2048);
    const opening = `${commentOpenings[rating]} `;
    const text =
      opening.slice(0, length) + this.#comments.cut(Math.max(0, length - opening.length), random);
    this.#ratings[auction.seller] = (this.#ratings[auction.seller] ?? 0) + rating;
    const date = formatTimestamp(
      Math.min(auction.end + random.between(1, 24) * 3_600_000, this.#reference),
    );
    this.#sink("comments", [
      ++this.#comment,
      this.#user(),
      auction.seller,
      auction.id,
      rating,
      date,
      text,
    ]);
  }

  #users(): void {
    for (let i = 1; i <= this.#sizes.users; i++) {
      const created = this.#reference - this.#random.between(15, 380) * day;
      this.#sink("users", [
        i,
        `Great${i}`,
        `User${i}`,
        `user${i}`,
        `password${i}`,
        `Great.User${i}@rubis.com`,
        this.#ratings[i] ?? 0,
        0,
        formatTimestamp(created),
        ((i - 1) % regions.length) + 1,
      ]);
    }
  }
}
