import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { planCoverage } from "../src/core/coverage.ts";
import { bidValues, commentValues, filler, newItem, newUser, RATINGS } from "../src/core/forms.ts";
import { hiddenFields, isSorry, linksTo, numbersOf, queryValue } from "../src/core/page.ts";
import { between, seededRandom } from "../src/core/random.ts";
import { requestTarget } from "../src/core/requests.ts";
import { HOME, STATE_INDEX, STATES } from "../src/core/states.ts";
import { phaseAt, phases, thinkMs } from "../src/core/think.ts";
import { transitionTable } from "../src/core/transitions.ts";
import { loadCatalogue, loadTable, usersAtScale } from "../src/data.ts";

/** Numbers that come out of an RNG in turn. */
const draws = (...values: number[]) => {
  let at = 0;
  return () => values[at++] ?? 0;
};

describe("core", () => {
  it("imports nothing but itself, so that k6 can run it", () => {
    const core = new URL("../src/core/", import.meta.url);
    for (const name of readdirSync(core)) {
      const text = readFileSync(new URL(name, core), "utf8");
      for (const [, from] of text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)) {
        expect(from, name).toMatch(/^\.\//);
      }
    }
  });
});

describe("tables", () => {
  it("both published mixes have 27 states, Back and End", () => {
    for (const mix of ["bidding", "browsing"] as const) {
      const table = loadTable(mix);
      expect(table.probabilities).toHaveLength(29);
      expect(table.probabilities.every((row) => row.length === 27)).toBe(true);
      expect(table.waitMs[HOME]).toBe(3000);
    }
  });

  it("a table with a column missing is refused", () => {
    expect(() => transitionTable([["to\\from", "Home", "wait"]])).toThrow(/columns/);
  });

  it("the catalogue has the published categories and regions", () => {
    const catalogue = loadCatalogue(1);
    expect(catalogue.categories).toHaveLength(20);
    expect(catalogue.categories[2]).toEqual({ id: 3, name: "Business, Office & Industrial" });
    expect(catalogue.regions).toHaveLength(62);
    expect(catalogue.users).toBe(30_303);
    expect(usersAtScale(33)).toBe(1_000_000);
  });
});

describe("think time and phases", () => {
  it("mean is 7 s, bound 70 s, times the slowdown", () => {
    const random = seededRandom(1);
    const times = Array.from({ length: 50_000 }, () => thinkMs(random, 1));
    expect(times.reduce((a, b) => a + b) / times.length / 7000).toBeCloseTo(1, 1);
    expect(thinkMs(() => 1 - 2 ** -40, 1)).toBe(70_000);
    expect(thinkMs(() => 0.5, 2)).toBeCloseTo(2 * 7000 * Math.LN2);
  });

  it("slowdown 0 draws no number and waits not at all", () => {
    expect(
      thinkMs(() => {
        throw new Error("drawn");
      }, 0),
    ).toBe(0);
  });

  it("ramps have the published lengths and slowdown", () => {
    expect(phases()).toEqual([
      { name: "up", seconds: 120, slowdown: 2 },
      { name: "run", seconds: 900, slowdown: 1 },
      { name: "down", seconds: 60, slowdown: 3 },
    ]);
    const names = [0, 119.9, 120, 1019.9, 1020, 1079.9, 1080].map(
      (at) => phaseAt(phases(), at)?.name,
    );
    expect(names).toEqual(["up", "up", "run", "run", "down", "down", undefined]);
  });
});

describe("form values", () => {
  it("a bid is minBid + a, its maximum minBid + 2a", () => {
    // a = 1 + floor(0.55 * 10) = 6; qty = 1 + floor(0.5 * 4) = 3.
    expect(bidValues(draws(0.55, 0.5), 12.5, 4)).toEqual({ bid: 18.5, maxBid: 24.5, qty: 3 });
  });

  it("a new item keeps to the published ranges", () => {
    const random = seededRandom(7);
    const items = Array.from({ length: 5000 }, () => newItem(random) as Record<string, number>);
    const part = (test: (item: Record<string, number>) => boolean): number =>
      items.filter(test).length / items.length;
    expect(part((item) => (item.reservePrice ?? 0) > 0)).toBeCloseTo(0.4, 1);
    expect(part((item) => (item.buyNow ?? 0) > 0)).toBeCloseTo(0.1, 1);
    expect(part((item) => item.quantity === 1)).toBeCloseTo(0.82, 1);
    expect(part((item) => (item.initialPrice ?? 0) >= 1 && (item.initialPrice ?? 0) <= 5000)).toBe(
      1,
    );
    expect(part((item) => (item.duration ?? 0) >= 1 && (item.duration ?? 0) <= 7)).toBe(1);
  });

  it("texts have the length drawn", () => {
    expect(filler(0)).toBe("");
    expect(filler(8192)).toHaveLength(8192);
    expect(commentValues(draws(0.99, 0.5))).toMatchObject({ rating: RATINGS[4] });
    expect(between(() => 0.999, 1, 2048)).toBe(2046);
  });

  it("a new user has a nickname beyond those loaded, and its region by name", () => {
    expect(newUser(40_000, "AZ--Phoenix")).toMatchObject({
      nickname: "user40000",
      password: "password40000",
      region: "AZ--Phoenix",
    });
  });
});

const PAGE = `<a href="/ViewItem?itemId=7">x</a> <a href="/ViewItem?itemId=9">y</a>
<a href="/ViewItem?itemId=7">x</a> <a href="/PutCommentAuth?itemId=7&amp;to=31">c</a>
<a href="/SearchItemsByCategory?category=3&amp;categoryName=Business%2C+Office&amp;page=1&amp;nbOfItems=20">next</a>
<form action="/Other"><input type="hidden" name="itemId" value="1"></form>
<form method="get" action="/StoreBid"><input type=hidden name=itemId value=7>
<input value='5' type='hidden' name='userId'><input type="hidden" name="minBid" value="12.5">
<input type="hidden" name="maxQty" value="1"><input type="text" name="bid"></form>`;

describe("pages", () => {
  it("gives links, numbers and hidden fields", () => {
    expect(linksTo(PAGE, "/PutCommentAuth")).toEqual(["/PutCommentAuth?itemId=7&to=31"]);
    expect(numbersOf(PAGE, "itemId")).toEqual([7, 9]);
    expect(queryValue("/X?a=1&categoryName=Business%2C+Office", "categoryName")).toBe(
      "Business, Office",
    );
    expect(Object.fromEntries(hiddenFields(PAGE, "/StoreBid") ?? [])).toEqual({
      itemId: "7",
      userId: "5",
      minBid: "12.5",
      maxQty: "1",
    });
    expect(hiddenFields(PAGE, "/Missing")).toBeUndefined();
    expect(isSorry("<title>Sorry</title>")).toBe(true);
    expect(isSorry(PAGE)).toBe(false);
  });

  it("the next request follows the page on the screen", () => {
    const request = (state: number, ...values: number[]) =>
      requestTarget(state, {
        random: draws(...values),
        catalogue: loadCatalogue(1),
        user: 12,
        page: PAGE,
      });
    expect(request(STATE_INDEX.ViewItem, 0.5)).toBe("/ViewItem?itemId=9");
    expect(request(STATE_INDEX.StoreBid, 0.55, 0)).toBe(
      "/StoreBid?itemId=7&userId=5&minBid=12.5&maxQty=1&bid=18.5&maxBid=24.5&qty=1",
    );
    expect(request(STATE_INDEX.PutComment)).toBe(
      "/PutComment?itemId=7&to=31&nickname=user12&password=password12",
    );
    expect(request(STATE_INDEX.SearchItemsInCategory)).toMatch(/page=1&nbOfItems=20$/);
    expect(request(STATE_INDEX.BrowseCategoriesInRegion)).toBe(
      "/BrowseCategories?region=AZ--Phoenix",
    );
    expect(request(STATE_INDEX.BuyNow)).toBeUndefined();
    expect(request(STATE_INDEX.AboutMe)).toBe("/AboutMe?nickname=user12&password=password12");
  });
});

describe("coverage plan", () => {
  it("bidding: reaches all 27 states, PutCommentAuth by the page's own link", () => {
    const plan = planCoverage(loadTable("bidding"));
    expect(plan.unreachable).toEqual([]);
    expect(new Set(plan.sessions.flat()).size).toBe(STATES.length);
    expect(plan.sessions.every(([first]) => first === HOME)).toBe(true);
  });

  it("browsing: says which states no walk reaches", () => {
    const { unreachable } = planCoverage(loadTable("browsing"), []);
    expect(unreachable).toContain(STATE_INDEX.RegisterUser);
    expect(unreachable).toContain(STATE_INDEX.StoreComment);
    expect(unreachable).not.toContain(STATE_INDEX.ViewBidHistory);
  });
});
