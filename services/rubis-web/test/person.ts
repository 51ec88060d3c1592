import type { Ground } from "./tiers.ts";

/** What a person does at a browser: reads a page, follows its links, fills its forms. */
export class Page {
  readonly status: number;
  readonly path: string;
  readonly html: string;

  constructor(status: number, path: string, html: string) {
    this.status = status;
    this.path = path;
    this.html = html;
  }

  get heading(): string {
    return text(/<h1>([\s\S]*?)<\/h1>/.exec(this.html)?.[1] ?? "");
  }

  get sorry(): boolean {
    return this.html.includes("Sorry");
  }

  /** The addresses of all links, in order. */
  get links(): string[] {
    return [...this.html.matchAll(/<a [^>]*?href="([^"]*)"/g)].map((m) => decode(m[1] ?? ""));
  }

  link(start: string): string {
    const found = this.links.find((href) => href.startsWith(start));
    if (!found) throw new Error(`${this.path} has no link ${start}; it says ${this.heading}`);
    return found;
  }

  /** The first form: where it goes, and its fields with their values. */
  get form(): { action: string; fields: Record<string, string> } {
    const form = /<form action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(this.html);
    if (!form) throw new Error(`${this.path} has no form; it says ${this.heading}`);
    const fields: Record<string, string> = {};
    for (const [tag] of (form[2] ?? "").matchAll(/<(?:input|textarea|select)[^>]*>/g)) {
      const name = / name="([^"]*)"/.exec(tag)?.[1];
      if (name) fields[name] = decode(/ value="([^"]*)"/.exec(tag)?.[1] ?? "");
    }
    return { action: form[1] ?? "", fields };
  }
}

function decode(html: string): string {
  return html
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

function text(html: string): string {
  return decode(html.replace(/<[^>]*>/g, "")).trim();
}

export class Person {
  readonly #url: string;
  /** Every page seen, in order. */
  readonly seen: Page[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async open(path: string): Promise<Page> {
    const response = await fetch(this.#url + path);
    const page = new Page(response.status, path, await response.text());
    this.seen.push(page);
    return page;
  }

  follow(page: Page, start: string): Promise<Page> {
    return this.open(page.link(start));
  }

  /** Sends the form of a page, as a browser does. */
  submit(page: Page, values: Record<string, string> = {}): Promise<Page> {
    const { action, fields } = page.form;
    for (const name of Object.keys(values))
      if (!(name in fields)) throw new Error(`${page.path} has no field ${name}`);
    return this.open(`${action}?${new URLSearchParams({ ...fields, ...values })}`);
  }
}

export function credentials(user: number) {
  return { nickname: `user${user}`, password: `password${user}` };
}

/** Visits all 27 states once, each by the links and forms of the page before. */
export async function visitAllStates(person: Person, ground: Ground): Promise<void> {
  const home = await person.open("/"); // 0
  const register = await person.follow(home, "/register"); // 1
  await person.submit(register, {
    firstname: "Ada",
    lastname: "O'Neil & <b>",
    nickname: "ada",
    email: "ada@example.org",
    password: "secret",
    region: "NY--New York",
  }); // 2
  const browse = await person.follow(home, "/browse"); // 3
  const categories = await person.follow(browse, "/BrowseCategories"); // 4
  const items = await person.follow(categories, "/SearchItemsByCategory?category=19"); // 5
  const regions = await person.follow(browse, "/BrowseRegions"); // 6
  const byRegion = `/BrowseCategories?region=${encodeURIComponent(ground.regionName)}`;
  const inRegion = await person.follow(regions, byRegion); // 7
  const search = `/SearchItemsByRegion?region=${ground.region}&category=${ground.category}&`;
  await person.follow(inRegion, search); // 8
  const item = await person.follow(items, "/ViewItem?itemId="); // 9
  await person.follow(item, "/ViewUserInfo?userId="); // 10
  await person.follow(item, "/ViewBidHistory?itemId="); // 11
  const toBuy = await person.open(`/ViewItem?itemId=${ground.buyNowItem}`);
  const buyNowAuth = await person.follow(toBuy, "/BuyNowAuth?itemId="); // 12
  const buyNow = await person.submit(buyNowAuth, credentials(3)); // 13
  await person.submit(buyNow, { qty: "1" }); // 14
  const putBidAuth = await person.follow(item, "/PutBidAuth?itemId="); // 15
  const putBid = await person.submit(putBidAuth, credentials(4)); // 16
  const least = Number(putBid.form.fields.minBid);
  await person.submit(putBid, { bid: String(least + 2), maxBid: String(least + 4), qty: "1" }); // 17
  const putCommentAuth = await person.follow(item, "/PutCommentAuth?itemId="); // 18
  const putComment = await person.submit(putCommentAuth, credentials(5)); // 19
  await person.submit(putComment, { rating: "5", comment: "Fine & <i>good</i>,\nthank you" }); // 20
  const sell = await person.follow(home, "/sell"); // 21
  const select = await person.submit(sell, { nickname: "ada", password: "secret" }); // 22
  const sellForm = await person.follow(select, "/SellItemForm?user="); // 23
  await person.submit(sellForm, {
    name: 'A "chair" <x>',
    description: "Four legs.",
    initialPrice: "10.50",
    reservePrice: "12",
    buyNow: "20",
    duration: "3",
    quantity: "2",
  }); // 24
  const aboutMe = await person.follow(home, "/about-me"); // 25
  await person.submit(aboutMe, { nickname: "ada", password: "secret" }); // 26
}
