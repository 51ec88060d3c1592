import { SorryError } from "../application.ts";
import type { Parameters } from "../parameters.ts";
import { type Interaction, page } from "./context.ts";

function loginFor(given: Parameters) {
  return { itemId: given.id("itemId", "an item identifier"), ...given.credentials() };
}

/** State 13. */
export const buyNow: Interaction = async (given, application) =>
  page("buy-now", "Buy now", await application.post<object>("/forms/buy-now", loginFor(given)));

/** State 16. */
export const putBid: Interaction = async (given, application) =>
  page("put-bid", "Bid", await application.post<object>("/forms/bid", loginFor(given)));

function buyerOf(given: Parameters) {
  return {
    itemId: given.id("itemId", "an item identifier"),
    userId: given.id("userId", "a user identifier"),
    qty: given.integer("qty", "the quantity", 1),
  };
}

/** The limits that the form carried: checked first, and again by the application on its own data. */
function checkQuantity(given: Parameters, qty: number): void {
  const maxQty = given.integer("maxQty", "the available quantity", 0);
  if (qty > maxQty) throw new SorryError(`you asked for ${qty}, and only ${maxQty} are available.`);
}

/** State 14. */
export const storeBuyNow: Interaction = async (given, application) => {
  const buyer = buyerOf(given);
  checkQuantity(given, buyer.qty);
  return page("bought", "Bought", await application.post<object>("/purchases", buyer));
};

/** State 17. */
export const storeBid: Interaction = async (given, application) => {
  const buyer = buyerOf(given);
  const minBid = given.requiredPrice("minBid", "the minimum bid");
  const bid = given.requiredPrice("bid", "your bid");
  const maxBid =
    given.optional("maxBid") === null ? bid : given.price("maxBid", "your maximum bid");
  checkQuantity(given, buyer.qty);
  if (bid < minBid)
    throw new SorryError(`your bid of $${bid} is too low; the lowest bid taken is $${minBid}.`);
  const stored = await application.post<object>("/bids", { ...buyer, bid, maxBid });
  return page("bid-stored", "Your bid", stored);
};

/** State 19. */
export const putComment: Interaction = async (given, application) => {
  const body = { ...loginFor(given), to: given.id("to", "a user identifier") };
  return page("put-comment", "Comment", await application.post<object>("/forms/comment", body));
};

/** State 20. */
export const storeComment: Interaction = async (given, application) => {
  const rating = given.integer("rating", "the rating", -5, 5);
  if (![-5, -3, 0, 3, 5].includes(rating))
    throw new SorryError("the rating must be one of -5, -3, 0, 3 and 5.");
  const body = {
    itemId: given.id("itemId", "an item identifier"),
    to: given.id("to", "the user to comment on"),
    from: given.id("from", "your user identifier"),
    rating,
    comment: given.text("comment", "a comment", 2048),
  };
  return page("comment-stored", "Your comment", await application.post<object>("/comments", body));
};
