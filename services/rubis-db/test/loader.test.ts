import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "libsql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { provideDataSet } from "../src/loader/cache.ts";
import { allotCategories, type Cell, generate, sizes } from "../src/loader/dataset.ts";
import { Random } from "../src/loader/random.ts";
import { moveReference, readReference } from "../src/loader/sqlite-file.ts";

const reference = Date.UTC(2025, 0, 1);
const day = 86_400_000;
type Rows = Map<string, Cell[][]>;

function collect(scale: number, seed: number): Rows {
  const rows: Rows = new Map();
  generate({ scale, seed, reference }, (table, row) => {
    const list = rows.get(table) ?? [];
    list.push(row);
    rows.set(table, list);
  });
  return rows;
}

let rows: Rows;
const table = (name: string) => rows.get(name) ?? [];
const column = (name: string, at: number) => table(name).map((row) => Number(row[at]));
const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
const share = (values: number[], is: (v: number) => boolean) =>
  values.filter(is).length / values.length;
const time = (text: Cell | undefined) => Date.parse(`${String(text).replace(" ", "T")}Z`);

beforeAll(() => {
  rows = collect(0.5, 42);
});

describe("the data set at scale 0.5", () => {
  test("has as many rows as the scale says", () => {
    expect(sizes(1)).toEqual({ items: 1000, users: 30303, oldItems: 15152 });
    expect(table("users")).toHaveLength(15152);
    expect(table("items")).toHaveLength(500);
    expect(table("old_items")).toHaveLength(7576);
    expect(table("categories")).toHaveLength(20);
    expect(table("regions")).toHaveLength(62);
  });

  test("users: nickname, password and region by number", () => {
    expect(table("users")[62]?.slice(0, 6)).toEqual([
      63,
      "Great63",
      "User63",
      "user63",
      "password63",
      "Great.User63@rubis.com",
    ]);
    expect(table("users")[62]?.[9]).toBe(1);
    expect(table("users")[61]?.[9]).toBe(62);
  });

  test("items: prices, quantity and duration as published", () => {
    const initial = column("old_items", 3);
    expect(Math.min(...initial)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...initial)).toBeLessThanOrEqual(5000);
    expect(mean(initial)).toBeCloseTo(2500, -2);
    expect(share(column("old_items", 5), (v) => v > 0)).toBeCloseTo(0.4, 1);
    expect(share(column("items", 5), (v) => v > 0)).toBeCloseTo(0.4, 1);
    expect(share(column("old_items", 6), (v) => v > 0)).toBeCloseTo(0.1, 1);
    expect(share(column("items", 6), (v) => v > 0)).toBeCloseTo(0.1, 1);
    // 1 for 80 %, else U[1,10]: 82 % in all.
    expect(share(column("items", 4), (v) => v === 1)).toBeCloseTo(0.82, 1);
    for (const name of ["items", "old_items"])
      for (const row of table(name)) {
        const [price, reserve, buyNow] = [Number(row[3]), Number(row[5]), Number(row[6])];
        if (reserve > 0) expect(reserve - price).toBeLessThanOrEqual(999);
        if (buyNow > 0) expect(buyNow).toBeGreaterThanOrEqual(price + reserve);
        const days = (time(row[10]) - time(row[9])) / day;
        expect(Number.isInteger(days) && days >= 1 && days <= 7).toBe(true);
        expect(time(row[10]) >= reference).toBe(name === "items");
      }
  });

  test("descriptions are U[1,8192] long, comments U[1,2048]", () => {
    const descriptions = table("old_items").map((row) => String(row[2]).length);
    expect([Math.min(...descriptions) >= 1, Math.max(...descriptions) <= 8192]).toEqual([
      true,
      true,
    ]);
    expect(Math.abs(mean(descriptions) - 4096)).toBeLessThan(150);
    const comments = table("comments").map((row) => String(row[6]).length);
    expect([Math.min(...comments) >= 1, Math.max(...comments) <= 2048]).toEqual([true, true]);
    expect(Math.abs(mean(comments) - 1024)).toBeLessThan(60);
  });

  test("categories have their published shares", () => {
    const counts = new Map<number, number>();
    for (const c of allotCategories(32667, new Random(1))) counts.set(c, (counts.get(c) ?? 0) + 1);
    expect([counts.get(1), counts.get(6), counts.get(14), counts.get(20)]).toEqual([
      1374, 7521, 170, 825,
    ]);
  });

  test("bids: U[0,19] an item, each above the last, and the item knows them", () => {
    const byItem = new Map<number, Cell[][]>();
    for (const bid of table("bids"))
      byItem.set(Number(bid[2]), [...(byItem.get(Number(bid[2])) ?? []), bid]);
    expect(table("bids").length / 8076).toBeCloseTo(9.5, 0);
    for (const name of ["items", "old_items"])
      for (const row of table(name)) {
        const bids = byItem.get(Number(row[0])) ?? [];
        expect(bids.length).toBe(row[7]);
        expect(bids.at(-1)?.[4] ?? 0).toBe(row[8]);
        let price = Number(row[3]);
        for (const bid of bids) {
          const step = Number(bid[4]) - price;
          expect(step >= 1 && step <= 10).toBe(true);
          expect(bid[5]).toBe(price + 2 * step);
          expect(time(bid[6])).toBeLessThanOrEqual(reference);
          price += step;
        }
      }
  });

  test("under 10 % are bought now, 95 % of what was sold has a comment", () => {
    const bought = new Set(column("buy_now", 2));
    expect(bought.size / 7576).toBeGreaterThan(0.05);
    expect(bought.size / 7576).toBeLessThan(0.1);
    const sold = table("old_items").filter(
      (row) =>
        bought.has(Number(row[0])) || (Number(row[7]) > 0 && Number(row[8]) >= Number(row[5])),
    );
    expect(table("comments").length / sold.length).toBeCloseTo(0.95, 1);
  });

  test("a user's rating is the sum of the comments on that user", () => {
    const sums = new Map<number, number>();
    for (const c of table("comments"))
      sums.set(Number(c[2]), (sums.get(Number(c[2])) ?? 0) + Number(c[4]));
    for (const user of table("users")) expect(user[6]).toBe(sums.get(Number(user[0])) ?? 0);
    expect(new Set(column("comments", 4))).toEqual(new Set([-5, -3, 0, 3, 5]));
  });

  test("the same seed gives the same rows, another seed others", () => {
    expect(collect(0.01, 5)).toEqual(collect(0.01, 5));
    expect(collect(0.01, 6)).not.toEqual(collect(0.01, 5));
  });
});

describe("the cache", () => {
  const directory = mkdtempSync(join(tmpdir(), "rubis-cache-test-"));
  const target = (name: string) => join(directory, name);
  const options = { directory: join(directory, "cache"), scale: 0.01, seed: 3 };
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const dates = (file: string) => {
    const db = new Sqlite(file);
    try {
      return db.prepare("SELECT id, start_date, end_date FROM items ORDER BY id").all();
    } finally {
      db.close();
    }
  };

  test("a second start copies, and leaves nothing but the cached file", () => {
    provideDataSet({ ...options, reference }, () => target("a"));
    provideDataSet({ ...options, reference }, () => target("b"));
    expect(dates(target("b"))).toEqual(dates(target("a")));
    expect(readdirSync(options.directory)).toEqual(["rubis-v1-scale0.01-seed3.sqlite"]);
  });

  test("dates moved there and back are the first ones, and those of a load for that time", () => {
    provideDataSet({ ...options, reference: reference + 40 * day }, () => target("c"));
    expect(readReference(target("c"))).toBe(reference + 40 * day);
    expect(dates(target("c"))).not.toEqual(dates(target("a")));
    provideDataSet(
      { ...options, directory: join(directory, "other"), reference: reference + 40 * day },
      () => target("d"),
    );
    expect(dates(target("d"))).toEqual(dates(target("c")));
    moveReference(target("c"), reference);
    expect(dates(target("c"))).toEqual(dates(target("a")));
  });

  test("without a fixed clock the auctions run now", () => {
    provideDataSet({ ...options, reference: null }, () => target("e"));
    const found = readReference(target("e")) ?? 0;
    expect(Date.now() - found).toBeLessThan(60_000);
    expect(existsSync(target("e-journal"))).toBe(false);
  });
});
