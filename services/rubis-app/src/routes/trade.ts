import type { FastifyInstance } from "fastify";
import { type Queryable, statement } from "../database.ts";
import { RefusedError, unknownItem } from "../errors.ts";
import type { Context } from "./context.ts";
import { type BidSummary, findBids, findItem, type Item, isOver, lowestBid } from "./items.ts";
import { count, credentials, id, object, price } from "./schemas.ts";
import { authenticate, findUser } from "./users.ts";

// FOR UPDATE: two buyers of the last piece, or two bids at one price, must not both succeed.
const lockItem = statement(
  "lock-item",
  `SELECT id, name, initial_price, quantity, buy_now, nb_of_bids, max_bid, end_date
   FROM items WHERE id = $1 FOR UPDATE`,
);
const insertBid = statement(
  "insert-bid",
  "INSERT INTO bids (user_id, item_id, qty, bid, max_bid, date) VALUES ($1, $2, $3, $4, $5, $6)",
);
const countBid = statement(
  "count-bid",
  "UPDATE items SET nb_of_bids = nb_of_bids + 1, max_bid = $1 WHERE id = $2",
);
const takeQuantity = statement(
  "take-quantity",
  "UPDATE items SET quantity = quantity - $1 WHERE id = $2",
);
const takeLast = statement(
  "take-last",
  "UPDATE items SET quantity = 0, end_date = $1 WHERE id = $2",
);
const insertPurchase = statement(
  "insert-purchase",
  "INSERT INTO buy_now (buyer_id, item_id, qty, date) VALUES ($1, $2, $3, $4)",
);

interface Login {
  itemId: number;
  nickname: string;
  password: string;
}

interface BidRequest {
  itemId: number;
  userId: number;
  bid: number;
  maxBid: number;
  qty: number;
}

interface PurchaseRequest {
  itemId: number;
  userId: number;
  qty: number;
}

function refuseOver(item: Pick<Item, "name" | "end_date" | "quantity">, now: string): void {
  if (isOver(item, now))
    throw new RefusedError("auction_over", `the auction of ${item.name} is over.`);
}

function refuseNotForSaleNow(item: Pick<Item, "name" | "buy_now">): void {
  if (item.buy_now <= 0)
    throw new RefusedError(
      "not_for_sale_now",
      `${item.name} has no price to buy it now; you can bid for it.`,
    );
}

function refuseQuantity(qty: number, available: number): void {
  if (qty < 1) throw new RefusedError("invalid_value", "the quantity must be 1 or more.");
  if (qty > available)
    throw new RefusedError(
      "quantity_gone",
      `you asked for ${qty}, and only ${available} are available.`,
    );
}

async function lock(t: Queryable, itemId: number): Promise<Item> {
  const item = await t.first<Item>(lockItem, itemId);
  if (item) return item;
  // An old item, if it exists, is an auction that is over.
  const old = await findItem(t, itemId).catch(() => null);
  if (!old) throw unknownItem(itemId);
  throw new RefusedError("auction_over", `the auction of ${old.name} is over.`);
}

const loginSchema = object({ itemId: id, ...credentials });

/** States 13, 14, 16 and 17: the forms to buy now and to bid, after login, and what they store. */
export function tradeRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.post<{ Body: Login }>(
    "/forms/buy-now",
    { schema: { body: loginSchema } },
    async ({ body }) => {
      const user = await authenticate(database, body);
      const item = await findItem(database, body.itemId);
      refuseOver(item, clock.now());
      refuseNotForSaleNow(item);
      return { user, item };
    },
  );

  app.post<{ Body: Login }>("/forms/bid", { schema: { body: loginSchema } }, async ({ body }) => {
    const user = await authenticate(database, body);
    const item = await findItem(database, body.itemId);
    const bids = await findBids(database, body.itemId);
    refuseOver(item, clock.now());
    return { user, item, bids, minBid: lowestBid(item.initial_price, bids) };
  });

  app.post<{ Body: PurchaseRequest }>(
    "/purchases",
    { schema: { body: object({ itemId: id, userId: id, qty: count }) } },
    async ({ body }) => {
      const { itemId, userId, qty } = body;
      const now = clock.now();
      const user = await findUser(database, userId);
      return database.transaction(async (t) => {
        const item = await lock(t, itemId);
        refuseOver(item, now);
        refuseNotForSaleNow(item);
        refuseQuantity(qty, item.quantity);
        // Whoever takes the last piece ends the auction.
        if (qty === item.quantity) await t.all(takeLast, now, itemId);
        else await t.all(takeQuantity, qty, itemId);
        await t.all(insertPurchase, userId, itemId, qty, now);
        const { id, name, buy_now } = item;
        return { item: { id, name, buy_now }, user: { id: user.id, nickname: user.nickname }, qty };
      });
    },
  );

  app.post<{ Body: BidRequest }>(
    "/bids",
    { schema: { body: object({ itemId: id, userId: id, bid: price, maxBid: price, qty: count }) } },
    async ({ body }) => {
      const { itemId, userId, bid, maxBid, qty } = body;
      const now = clock.now();
      const user = await findUser(database, userId);
      return database.transaction(async (t) => {
        const item = await lock(t, itemId);
        refuseOver(item, now);
        refuseQuantity(qty, item.quantity);
        refuseBid(bid, maxBid, item);
        await t.all(insertBid, userId, itemId, qty, bid, maxBid, now);
        await t.all(countBid, bid, itemId);
        const { id, name } = item;
        return {
          item: { id, name },
          user: { id: user.id, nickname: user.nickname },
          bid,
          maxBid,
          qty,
        };
      });
    },
  );
}

function refuseBid(
  bid: number,
  maxBid: number,
  item: Pick<Item, "initial_price"> & BidSummary,
): void {
  const lowest = lowestBid(item.initial_price, item);
  if (bid < lowest)
    throw new RefusedError(
      "bid_too_low",
      `your bid of $${bid} is too low; the lowest bid taken is $${lowest}.`,
    );
  if (maxBid < bid)
    throw new RefusedError(
      "bid_too_low",
      `your maximum bid of $${maxBid} is below your bid of $${bid}.`,
    );
}
