import type { FastifyInstance } from "fastify";
import { statement } from "../database.ts";
import type { Context } from "./context.ts";
import { credentials, object } from "./schemas.ts";
import { authenticate, findComments, findUser } from "./users.ts";

// An item that is over stays in `items` until an operator moves it to `old_items`, so the lists of
// the last 30 days look into both.
const columns =
  "i.id, i.name, i.initial_price, i.quantity, i.reserve_price, i.buy_now, i.nb_of_bids, i.max_bid, i.start_date, i.end_date, i.seller";

const currentBids = statement(
  "current-bids",
  `SELECT ${columns}, u.nickname AS seller_nickname, b.my_bid, b.my_max_bid
   FROM (SELECT item_id, max(bid) AS my_bid, max(max_bid) AS my_max_bid
         FROM bids WHERE user_id = $1 GROUP BY item_id) b
   JOIN items i ON i.id = b.item_id JOIN users u ON u.id = i.seller
   WHERE i.end_date >= $2 AND i.quantity > 0 ORDER BY i.id`,
);

function wonFrom(table: string, ended: string): string {
  return `SELECT ${columns}, u.nickname AS seller_nickname, b.my_bid
    FROM (SELECT item_id, max(bid) AS my_bid FROM bids WHERE user_id = $1 GROUP BY item_id) b
    JOIN ${table} i ON i.id = b.item_id JOIN users u ON u.id = i.seller
    WHERE i.end_date >= $2 AND ${ended} AND b.my_bid = i.max_bid AND i.max_bid >= i.reserve_price
      AND i.quantity > 0`;
}

const wonOld = statement("won-old", `${wonFrom("old_items", "i.end_date < $3")} ORDER BY i.id`);
const won = statement("won", `${wonFrom("items", "i.end_date < $3")} ORDER BY i.id`);

function boughtFrom(table: string): string {
  return `SELECT p.id AS purchase_id, p.qty, p.date, i.id, i.name, i.buy_now, i.seller,
      u.nickname AS seller_nickname
    FROM buy_now p JOIN ${table} i ON i.id = p.item_id JOIN users u ON u.id = i.seller
    WHERE p.buyer_id = $1 AND p.date >= $2 ORDER BY p.id`;
}

const boughtOld = statement("bought-old", boughtFrom("old_items"));
const bought = statement("bought", boughtFrom("items"));

const soldOld = statement(
  "sold-old",
  `SELECT ${columns} FROM old_items i WHERE i.seller = $1 AND i.end_date >= $2 ORDER BY i.id`,
);
const sold = statement(
  "sold",
  `SELECT ${columns} FROM items i
   WHERE i.seller = $1 AND i.end_date >= $2 AND (i.end_date < $3 OR i.quantity = 0) ORDER BY i.id`,
);
const selling = statement(
  "selling",
  `SELECT ${columns} FROM items i
   WHERE i.seller = $1 AND i.end_date >= $2 AND i.quantity > 0 ORDER BY i.id`,
);

/** State 26: all that concerns one user. */
export function aboutMeRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.post<{ Body: { nickname: string; password: string } }>(
    "/about-me",
    { schema: { body: object(credentials) } },
    async ({ body }) => {
      const { id } = await authenticate(database, body);
      const now = clock.now();
      const since = clock.now(-30);
      const user = await findUser(database, id);
      // One after the other, as in the original: the interaction is many small round trips.
      return {
        user,
        bids: await database.all(currentBids, id, now),
        won: [
          ...(await database.all(wonOld, id, since, now)),
          ...(await database.all(won, id, since, now)),
        ],
        bought: [
          ...(await database.all(boughtOld, id, since)),
          ...(await database.all(bought, id, since)),
        ],
        sold: [
          ...(await database.all(soldOld, id, since)),
          ...(await database.all(sold, id, since, now)),
        ],
        selling: await database.all(selling, id, now),
        comments: await findComments(database, id),
      };
    },
  );
}
