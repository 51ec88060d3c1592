import { bidValues, commentValues, type Fields, newItem, newUser, quantity } from "./forms.ts";
import { hiddenFields, linksTo, numbersOf, queryValue } from "./page.ts";
import { between, pick, type Random } from "./random.ts";
import { STATES, type StateName, stateName } from "./states.ts";

export const ITEMS_PER_PAGE = 20;
/** New users get a number in this range above the users loaded. */
const NEW_USERS = 1_000_000;

/** What the client knows of the data set. Ids are those of the data set (1 and up). */
export interface Catalogue {
  readonly categories: readonly { readonly id: number; readonly name: string }[];
  readonly regions: readonly { readonly id: number; readonly name: string }[];
  /** Users loaded: nicknames user1 ... user<n>. */
  readonly users: number;
}

/** What a request is made of. */
export interface RequestContext {
  readonly random: Random;
  readonly catalogue: Catalogue;
  /** The user of this session: 1 ... catalogue.users. */
  readonly user: number;
  /** The page on the screen. */
  readonly page: string;
}

type Builder = (context: RequestContext) => Fields | string | undefined;

const none: Builder = () => ({});

const credentials = (user: number): Fields => ({
  nickname: `user${user}`,
  password: `password${user}`,
});

/** An id that the page on the screen shows. */
function shown(context: RequestContext, parameter: string): number | undefined {
  return pick(context.random, numbersOf(context.page, parameter));
}

/** Pages that are about one of the items on the screen. */
const ofItem: Builder = (context) => {
  const itemId = shown(context, "itemId");
  return itemId === undefined ? undefined : { itemId };
};

/** The hidden fields of a form on the screen, and what the user types into it. */
function filledForm(
  context: RequestContext,
  action: string,
  typed: (number: (field: string) => number) => Fields,
): Fields | undefined {
  const hidden = hiddenFields(context.page, action);
  if (hidden === undefined) return undefined;
  return { ...Object.fromEntries(hidden), ...typed((field) => Number(hidden.get(field) ?? 0)) };
}

/** Whom a comment is for: a link for just that, else an item and a user that the page shows. */
function commentTarget(context: RequestContext): Fields | undefined {
  const link = pick(context.random, linksTo(context.page, "/PutCommentAuth"));
  if (link !== undefined) {
    return { itemId: queryValue(link, "itemId") ?? "", to: queryValue(link, "to") ?? "" };
  }
  const itemId = shown(context, "itemId");
  const to = shown(context, "userId");
  return itemId === undefined || to === undefined ? undefined : { itemId, to };
}

/**
 * A search follows a link of the page on the screen (a category, the next page, the previous
 * page). A result without links to other pages leads to another category.
 */
function search(context: RequestContext, path: string): string | undefined {
  return pick(context.random, linksTo(context.page, path));
}

function anyCategory({ random, catalogue }: RequestContext): Fields | undefined {
  const category = pick(random, catalogue.categories);
  if (category === undefined) return undefined;
  return {
    category: category.id,
    categoryName: category.name,
    page: 0,
    nbOfItems: ITEMS_PER_PAGE,
  };
}

const BUILDERS: Readonly<Record<StateName, Builder>> = {
  Home: none,
  Register: none,
  RegisterUser: ({ random, catalogue }) => {
    const id = catalogue.users + between(random, 1, NEW_USERS);
    return newUser(id, pick(random, catalogue.regions)?.name ?? "");
  },
  Browse: none,
  BrowseCategories: none,
  SearchItemsInCategory: (context) =>
    search(context, "/SearchItemsByCategory") ?? anyCategory(context),
  BrowseRegions: none,
  BrowseCategoriesInRegion: ({ random, catalogue }) => {
    const region = pick(random, catalogue.regions);
    return region === undefined ? undefined : { region: region.name };
  },
  SearchItemsInRegion: (context) => {
    const link = search(context, "/SearchItemsByRegion");
    if (link !== undefined) return link;
    const region = pick(context.random, context.catalogue.regions);
    const category = anyCategory(context);
    return region === undefined || category === undefined
      ? undefined
      : { region: region.id, ...category };
  },
  ViewItem: ofItem,
  ViewUserInfo: (context) => {
    const userId = shown(context, "userId");
    return userId === undefined ? undefined : { userId };
  },
  ViewBidHistory: ofItem,
  BuyNowAuth: ofItem,
  BuyNow: (context) => filledForm(context, "/BuyNow", () => credentials(context.user)),
  StoreBuyNow: (context) =>
    filledForm(context, "/StoreBuyNow", (number) => ({
      qty: quantity(context.random, number("maxQty")),
    })),
  PutBidAuth: ofItem,
  PutBid: (context) => filledForm(context, "/PutBid", () => credentials(context.user)),
  StoreBid: (context) =>
    filledForm(context, "/StoreBid", (number) =>
      bidValues(context.random, number("minBid"), number("maxQty")),
    ),
  PutCommentAuth: commentTarget,
  // Both tables enter PutComment from pages without its form; the user is known, so sign in.
  PutComment: (context) => {
    const form = filledForm(context, "/PutComment", () => credentials(context.user));
    if (form !== undefined) return form;
    const target = commentTarget(context);
    return target === undefined ? undefined : { ...target, ...credentials(context.user) };
  },
  StoreComment: (context) =>
    filledForm(context, "/StoreComment", () => commentValues(context.random)),
  Sell: none,
  SelectCategoryToSellItem: (context) => credentials(context.user),
  SellItemForm: (context) => search(context, "/SellItemForm"),
  RegisterItem: (context) => filledForm(context, "/RegisterItem", () => newItem(context.random)),
  "AboutMe (auth form)": none,
  AboutMe: (context) => credentials(context.user),
};

function target(path: string, fields: Fields): string {
  const query = Object.entries(fields)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");
  return query === "" ? path : `${path}?${query}`;
}

/**
 * Path and query that bring the client to a state from the page on the screen; undefined when the
 * page lacks the link or the form for it.
 */
export function requestTarget(state: number, context: RequestContext): string | undefined {
  const made = BUILDERS[stateName(state)](context);
  if (made === undefined || typeof made === "string") return made;
  return target(STATES[state]?.path ?? "/", made);
}
