import type { FastifyInstance } from "fastify";
import { statement } from "../database.ts";
import { RefusedError } from "../errors.ts";
import { allCategories, type Named } from "./browse.ts";
import type { Context } from "./context.ts";
import { count, credentials, id, object, price } from "./schemas.ts";
import { authenticate, findUser } from "./users.ts";

const categoryById = statement("category", "SELECT id, name FROM categories WHERE id = $1");
const insertItem = statement(
  "insert-item",
  `INSERT INTO items (name, description, initial_price, quantity, reserve_price, buy_now, nb_of_bids,
     max_bid, start_date, end_date, seller, category)
   VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10) RETURNING id`,
);

interface Offer {
  name: string;
  description: string;
  initialPrice: number;
  reservePrice: number;
  buyNow: number;
  duration: number;
  quantity: number;
  userId: number;
  categoryId: number;
}

const offerSchema = object({
  name: { type: "string", minLength: 1, maxLength: 100 },
  description: { type: "string", maxLength: 65535 },
  initialPrice: price,
  reservePrice: price,
  buyNow: price,
  duration: count,
  quantity: count,
  userId: id,
  categoryId: id,
});

function checkOffer(offer: Offer): void {
  const refuse = (message: string) => {
    throw new RefusedError("invalid_value", message);
  };
  if (offer.initialPrice <= 0) refuse("the initial price must be above 0.");
  if (offer.quantity < 1) refuse("the quantity must be 1 or more.");
  if (offer.duration < 1 || offer.duration > 365)
    refuse("the duration must be from 1 to 365 days.");
  if (offer.reservePrice < 0 || offer.buyNow < 0) refuse("a price cannot be negative.");
  if (offer.reservePrice > 0 && offer.reservePrice < offer.initialPrice)
    refuse("the reserve price must not be below the initial price.");
  if (offer.buyNow > 0 && offer.buyNow < offer.initialPrice)
    refuse("the price to buy now must not be below the initial price.");
}

/** States 22 and 24: login before selling, and a new item. */
export function sellRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.post<{ Body: { nickname: string; password: string } }>(
    "/forms/sell",
    { schema: { body: object(credentials) } },
    async ({ body }) => {
      const user = await authenticate(database, body);
      return { user, categories: await database.all<Named>(allCategories) };
    },
  );

  app.post<{ Body: Offer }>("/items", { schema: { body: offerSchema } }, async ({ body }) => {
    checkOffer(body);
    const seller = await findUser(database, body.userId);
    const category = await database.first<Named>(categoryById, body.categoryId);
    if (!category)
      throw new RefusedError("unknown_category", `category ${body.categoryId} does not exist.`);
    const start = clock.now();
    const end = clock.now(body.duration);
    const row = await database.first<{ id: number }>(
      insertItem,
      body.name,
      body.description,
      body.initialPrice,
      body.quantity,
      body.reservePrice,
      body.buyNow,
      start,
      end,
      seller.id,
      category.id,
    );
    return {
      item: { ...body, id: row?.id ?? 0, start, end },
      seller: { id: seller.id, nickname: seller.nickname },
      category,
    };
  });
}
