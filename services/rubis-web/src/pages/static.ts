import type { Parameters } from "../parameters.ts";
import { regions } from "../regions.ts";
import { type Interaction, page } from "./context.ts";

/** States 0, 1, 3, 21 and 25, which need no database. */
export const home: Interaction = () => page("home", "RUBiS");
export const register: Interaction = () => page("register", "Register", { regions });
export const browse: Interaction = () => page("browse", "Browse");
export const sell: Interaction = () =>
  login("Sell your item", "/SelectCategoryToSellItem", "sell an item", {});
export const aboutMe: Interaction = () =>
  login("About me", "/AboutMe", "see all that concerns you", {});

function login(title: string, action: string, purpose: string, hidden: Record<string, number>) {
  return page("login", title, { action, purpose, hidden });
}

function itemOf(given: Parameters): { itemId: number } {
  return { itemId: given.id("itemId", "an item identifier") };
}

/** States 12, 15 and 18: login before an action on an item. */
export const buyNowAuth: Interaction = (given) =>
  login("Buy now", "/BuyNow", "buy this item now", itemOf(given));
export const putBidAuth: Interaction = (given) =>
  login("Bid", "/PutBid", "bid on this item", itemOf(given));
export const putCommentAuth: Interaction = (given) =>
  login("Comment", "/PutComment", "leave a comment", {
    to: given.id("to", "a user identifier"),
    ...itemOf(given),
  });

/** State 23: the form of a new item; the application checks user and category when it is sent. */
export const sellItemForm: Interaction = (given) =>
  page("sell-form", "Sell your item", {
    userId: given.id("user", "a user identifier"),
    categoryId: given.id("category", "a category identifier"),
  });
