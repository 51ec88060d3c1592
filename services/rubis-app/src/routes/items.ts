import type { FastifyInstance } from "fastify";
import { type Queryable, statement } from "../database.ts";
import { unknownItem } from "../errors.ts";
import type { Context } from "./context.ts";
import { id, object } from "./schemas.ts";

const columns = `i.id, i.name, i.description, i.initial_price, i.quantity, i.reserve_price, i.buy_now,
  i.nb_of_bids, i.max_bid, i.start_date, i.end_date, i.seller, i.category, u.nickname AS seller_nickname`;
const activeItem = statement(
  "item",
  `SELECT ${columns} FROM items i JOIN users u ON u.id = i.seller WHERE i.id = $1`,
);
const oldItem = statement(
  "old-item",
  `SELECT ${columns} FROM old_items i JOIN users u ON u.id = i.seller WHERE i.id = $1`,
);
const bidSummary = statement(
  "bid-summary",
  "SELECT max(bid) AS max_bid, count(*) AS nb_of_bids FROM bids WHERE item_id = $1",
);
const itemName = statement("item-name", "SELECT id, name FROM items WHERE id = $1");
const oldItemName = statement("old-item-name", "SELECT id, name FROM old_items WHERE id = $1");
const bidHistory = statement(
  "bid-history",
  `SELECT b.id, b.user_id, u.nickname, b.qty, b.bid, b.date
   FROM bids b JOIN users u ON u.id = b.user_id
   WHERE b.item_id = $1 ORDER BY b.date DESC, b.id DESC`,
);

export interface Item {
  id: number;
  name: string;
  description: string;
  initial_price: number;
  quantity: number;
  reserve_price: number;
  buy_now: number;
  nb_of_bids: number;
  max_bid: number;
  start_date: string;
  end_date: string;
  seller: number;
  seller_nickname: string;
  category: number;
}

export interface BidSummary {
  max_bid: number | null;
  nb_of_bids: number;
}

/** An auction that runs, or one that is over. */
export async function findItem(database: Queryable, itemId: number): Promise<Item> {
  const item =
    (await database.first<Item>(activeItem, itemId)) ??
    (await database.first<Item>(oldItem, itemId));
  if (!item) throw unknownItem(itemId);
  return item;
}

export async function findBids(database: Queryable, itemId: number): Promise<BidSummary> {
  return (await database.first<BidSummary>(bidSummary, itemId)) ?? { max_bid: null, nb_of_bids: 0 };
}

export function isOver(item: Pick<Item, "end_date" | "quantity">, now: string): boolean {
  return item.end_date < now || item.quantity <= 0;
}

/** The lowest bid that is taken next. */
export function lowestBid(initialPrice: number, { max_bid, nb_of_bids }: BidSummary): number {
  return nb_of_bids === 0 || max_bid === null ? initialPrice : max_bid + 1;
}

const itemParams = object({ id });

/** States 9 and 11: an item, and the history of its bids. */
export function itemRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.get<{ Params: { id: number } }>(
    "/items/:id",
    { schema: { params: itemParams } },
    async ({ params }) => {
      const item = await findItem(database, params.id);
      const bids = await findBids(database, params.id);
      return { item, bids, over: isOver(item, clock.now()) };
    },
  );

  app.get<{ Params: { id: number } }>(
    "/items/:id/bids",
    { schema: { params: itemParams } },
    async ({ params }) => {
      const item =
        (await database.first(itemName, params.id)) ??
        (await database.first(oldItemName, params.id));
      if (!item) throw unknownItem(params.id);
      return { item, bids: await database.all(bidHistory, params.id) };
    },
  );
}
