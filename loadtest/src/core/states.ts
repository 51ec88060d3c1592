/** What an interaction does to the database. */
export type Access = "static" | "read" | "write";

export interface StateInfo {
  /** Name as in the published tables, but for their spelling mistake "StoreBuyBow". */
  readonly name: string;
  /** Path of the web tier that serves it. */
  readonly path: string;
  readonly access: Access;
}

/** The 27 interactions of RUBiS, in the order of the transition tables. */
export const STATES = [
  { name: "Home", path: "/", access: "static" },
  { name: "Register", path: "/register", access: "static" },
  { name: "RegisterUser", path: "/RegisterUser", access: "write" },
  { name: "Browse", path: "/browse", access: "static" },
  { name: "BrowseCategories", path: "/BrowseCategories", access: "read" },
  { name: "SearchItemsInCategory", path: "/SearchItemsByCategory", access: "read" },
  { name: "BrowseRegions", path: "/BrowseRegions", access: "read" },
  { name: "BrowseCategoriesInRegion", path: "/BrowseCategories", access: "read" },
  { name: "SearchItemsInRegion", path: "/SearchItemsByRegion", access: "read" },
  { name: "ViewItem", path: "/ViewItem", access: "read" },
  { name: "ViewUserInfo", path: "/ViewUserInfo", access: "read" },
  { name: "ViewBidHistory", path: "/ViewBidHistory", access: "read" },
  { name: "BuyNowAuth", path: "/BuyNowAuth", access: "static" },
  { name: "BuyNow", path: "/BuyNow", access: "read" },
  { name: "StoreBuyNow", path: "/StoreBuyNow", access: "write" },
  { name: "PutBidAuth", path: "/PutBidAuth", access: "static" },
  { name: "PutBid", path: "/PutBid", access: "read" },
  { name: "StoreBid", path: "/StoreBid", access: "write" },
  { name: "PutCommentAuth", path: "/PutCommentAuth", access: "static" },
  { name: "PutComment", path: "/PutComment", access: "read" },
  { name: "StoreComment", path: "/StoreComment", access: "write" },
  { name: "Sell", path: "/sell", access: "static" },
  { name: "SelectCategoryToSellItem", path: "/SelectCategoryToSellItem", access: "read" },
  { name: "SellItemForm", path: "/SellItemForm", access: "static" },
  { name: "RegisterItem", path: "/RegisterItem", access: "write" },
  { name: "AboutMe (auth form)", path: "/about-me", access: "static" },
  { name: "AboutMe", path: "/AboutMe", access: "read" },
] as const satisfies readonly StateInfo[];

export type StateName = (typeof STATES)[number]["name"];

/** Index of a state by name: the number that the tables and the walk use. */
export const STATE_INDEX = Object.fromEntries(
  STATES.map((state, index) => [state.name, index]),
) as Record<StateName, number>;

export const HOME = 0;

export function stateName(state: number): StateName {
  const info = STATES[state];
  if (info === undefined) throw new RangeError(`no such state: ${state}`);
  return info.name;
}
