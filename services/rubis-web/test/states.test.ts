import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { credentials, Person, visitAllStates } from "./person.ts";
import { query as ask, findGround, type Ground, type System, startSystem } from "./tiers.ts";

let system: System;
let ground: Ground;
let person: Person;

function query(sql: string): Promise<Record<string, unknown>[]> {
  return ask(system.databaseUrl, sql);
}

beforeAll(async () => {
  system = await startSystem();
  ground = await findGround(system.databaseUrl);
  person = new Person(system.url);
});

afterAll(async () => {
  await system.stop();
});

describe("a person at the browser", () => {
  test("reaches all 27 states by links and forms", async () => {
    await visitAllStates(person, ground);
    expect(person.seen.filter((page) => page.status !== 200 || page.sorry)).toEqual([]);
    expect(person.seen.map((page) => page.heading)).toMatchInlineSnapshot(`
      [
        "Welcome to RUBiS",
        "Register",
        "Welcome, ada",
        "Browse",
        "Categories",
        "Items in Toys & Hobbies",
        "Regions",
        "Categories in FL--West Palm Beach",
        "Items in Movies & Television",
        "RUBiS automatically generated item #762",
        "user912",
        "Bid history of RUBiS automatically generated item #762",
        "RUBiS automatically generated item #765",
        "Buy now",
        "Buy RUBiS automatically generated item #765 now",
        "It is yours",
        "Bid",
        "Bid on RUBiS automatically generated item #762",
        "Your bid is in",
        "Comment",
        "Comment on user912",
        "Your comment is posted",
        "Sell your item",
        "In which category, ada?",
        "Sell your item",
        "Your item is for sale",
        "About me",
        "About me: ada",
      ]
    `);
  });

  test("what was typed comes back as text, not as HTML", () => {
    const html = person.seen.map((page) => page.html).join("");
    expect(html).toContain("O&#39;Neil &amp; &lt;b&gt;");
    expect(html).toContain("Fine &amp; &lt;i&gt;good&lt;/i&gt;,\nthank you");
    expect(html).toContain("A &quot;chair&quot; &lt;x&gt;");
    expect(html).not.toContain("<i>good");
  });

  test("the five writes are in the database", async () => {
    expect(
      await query("SELECT nickname, lastname, region, rating FROM users WHERE nickname = 'ada'"),
    ).toEqual([{ nickname: "ada", lastname: "O'Neil & <b>", region: 40, rating: 0 }]);
    expect(
      await query(
        "SELECT name, initial_price, buy_now, quantity FROM items ORDER BY id DESC LIMIT 1",
      ),
    ).toEqual([{ name: 'A "chair" <x>', initial_price: 10.5, buy_now: 20, quantity: 2 }]);
    const [bid] = await query(
      "SELECT item_id, user_id, bid, max_bid FROM bids ORDER BY id DESC LIMIT 1",
    );
    expect(bid).toMatchObject({ user_id: 4, max_bid: Number(bid?.bid) + 2 });
    expect(await query(`SELECT max_bid FROM items WHERE id = ${Number(bid?.item_id)}`)).toEqual([
      { max_bid: bid?.bid },
    ]);
    expect(
      await query("SELECT buyer_id, item_id, qty FROM buy_now ORDER BY id DESC LIMIT 1"),
    ).toEqual([{ buyer_id: 3, item_id: ground.buyNowItem, qty: 1 }]);
    const [comment] = await query(
      "SELECT c.rating, c.comment, u.rating AS sum FROM comments c JOIN users u ON u.id = c.to_user_id ORDER BY c.id DESC LIMIT 1",
    );
    expect(comment).toMatchObject({ rating: 5, comment: "Fine & <i>good</i>,\nthank you" });
  });

  test("every link of every page leads somewhere", async () => {
    const links = new Set(person.seen.flatMap((page) => page.links));
    for (const link of links) expect((await person.open(link)).status, link).toBe(200);
  });

  test("the next page goes on where the first ended", async () => {
    const first = await person.open(
      "/SearchItemsByCategory?category=6&categoryName=C&page=0&nbOfItems=3",
    );
    const second = await person.follow(
      first,
      "/SearchItemsByCategory?category=6&categoryName=C&page=1",
    );
    const ids = [first, second].flatMap((page) =>
      page.links
        .filter((href) => href.startsWith("/ViewItem"))
        .map((href) => Number(href.split("=")[1])),
    );
    expect(ids).toHaveLength(6);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
  });
});

describe("Sorry, with status 200 and the reason", () => {
  const ada = "firstname=A&lastname=B&nickname=user1&email=e&password=p&region=AZ--Phoenix";
  const cases: [name: string, path: string, reason: string][] = [
    [
      "wrong password",
      "/AboutMe?nickname=user1&password=no",
      "no user with this nickname and password",
    ],
    ["no nickname", "/AboutMe", "you must provide your nickname"],
    ["no such item", "/ViewItem?itemId=999999", "item 999999 does not exist"],
    ["item that is no number", "/ViewItem?itemId=abc", "must be a whole number"],
    ["item beyond the type", "/ViewItem?itemId=2147483648", "must be a whole number"],
    ["item missing", "/ViewItem", "you must provide an item identifier"],
    ["no such user", "/ViewUserInfo?userId=999999", "user 999999 does not exist"],
    ["history of no item", "/ViewBidHistory?itemId=999999", "item 999999 does not exist"],
    ["no such region", "/BrowseCategories?region=Atlantis", "region Atlantis does not exist"],
    ["no such category", "/SearchItemsByCategory?category=99", "no items available"],
    [
      "page beyond the last",
      "/SearchItemsByCategory?category=6&page=5000",
      "no more items available",
    ],
    ["nickname taken", `/RegisterUser?${ada}`, "the nickname user1 is taken"],
    [
      "region unknown at registration",
      `/RegisterUser?${ada.replace("user1", "z").replace("AZ--Phoenix", "X")}`,
      "region X does not exist",
    ],
    [
      "nickname too long",
      `/RegisterUser?${ada.replace("user1", "z".repeat(21))}`,
      "must not be longer than 20",
    ],
    ["bid on an old item", "/PutBid?itemId=1&nickname=user1&password=password1", "is over"],
    [
      "rating not offered",
      "/StoreComment?itemId=1&to=1&from=2&rating=4&comment=x",
      "the rating must be one of",
    ],
    ["no comment", "/StoreComment?itemId=1&to=1&from=2&rating=3", "you must provide a comment"],
    ["item without a name", "/RegisterItem?userId=1&categoryId=1", "you must provide a name"],
    [
      "reserve below the initial price",
      "/RegisterItem?userId=1&categoryId=1&name=n&initialPrice=5&reservePrice=4&duration=1&quantity=1",
      "the reserve price must not be below",
    ],
    [
      "seller unknown",
      "/RegisterItem?userId=999999&categoryId=1&name=n&initialPrice=5&duration=1&quantity=1",
      "user 999999 does not exist",
    ],
    ["NUL in a text", "/AboutMe?nickname=a%00b&password=x", "cannot be stored"],
  ];
  test.each(cases)("%s", async (_name, path, reason) => {
    const page = await person.open(path);
    expect(page.status).toBe(200);
    expect(page.sorry).toBe(true);
    expect(page.html).toContain(reason);
  });

  test("a bid below the lowest, even if the form was changed", async () => {
    const items = await person.open("/SearchItemsByCategory?category=6");
    const item = await person.follow(items, "/ViewItem?itemId=");
    const form = await person.submit(await person.follow(item, "/PutBidAuth"), credentials(2));
    const honest = await person.submit(form, { bid: "0.5", qty: "1" });
    expect(honest.html).toContain("is too low");
    const changed = await person.submit(form, { minBid: "0.1", bid: "0.5", qty: "1" });
    expect(changed.html).toContain("is too low");
    const many = await person.submit(form, { maxQty: "100", bid: "9999", qty: "100" });
    expect(many.html).toContain("you asked for 100");
  });

  test("the last piece is sold once", async () => {
    const item = await person.open(`/ViewItem?itemId=${ground.buyNowItem}`);
    const left = Number(/<dt>Quantity<\/dt><dd>(\d+)/.exec(item.html)?.[1]);
    const path = (qty: number) =>
      `/StoreBuyNow?itemId=${ground.buyNowItem}&userId=9&maxQty=100&qty=${qty}`;
    if (left > 0) expect((await person.open(path(left))).heading).toBe("It is yours");
    expect((await person.open(path(1))).html).toMatch(/Sorry.*is over/);
  });

  test("two at once for the last piece: one gets it", async () => {
    await query(
      "UPDATE items SET quantity = 1, buy_now = 5 WHERE id = (SELECT max(id) FROM items)",
    );
    const [row] = await query("SELECT max(id) AS id FROM items");
    const pages = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((user) =>
        new Person(system.url).open(
          `/StoreBuyNow?itemId=${Number(row?.id)}&userId=${user}&maxQty=1&qty=1`,
        ),
      ),
    );
    expect(pages.filter((page) => !page.sorry)).toHaveLength(1);
  });
});

describe("requests that are no interaction", () => {
  test("an unknown page is a 404", async () => {
    expect((await person.open("/nothing")).status).toBe(404);
  });

  test("an address that cannot be decoded is a 400", async () => {
    expect((await person.open("/%zz")).status).toBe(400);
  });

  test("style and icon come from the tier itself", async () => {
    const home = await person.open("/");
    const outside = [...home.html.matchAll(/(?:src|href)="(\w+:|\/\/)/g)];
    expect(outside).toEqual([]);
    expect((await person.open("/style.css")).html).toContain("body {");
    expect((await person.open("/favicon.svg")).html).toContain("<svg");
  });

  test("a form may be posted as well", async () => {
    const response = await fetch(`${system.url}/AboutMe`, {
      method: "POST",
      body: new URLSearchParams(credentials(1)),
    });
    expect(await response.text()).toContain("About me: user1");
  });
});
