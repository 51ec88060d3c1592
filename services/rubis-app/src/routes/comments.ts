import type { FastifyInstance } from "fastify";
import { statement } from "../database.ts";
import type { Context } from "./context.ts";
import { findItem } from "./items.ts";
import { credentials, id, object } from "./schemas.ts";
import { authenticate, findUser } from "./users.ts";

const insertComment = statement(
  "insert-comment",
  `INSERT INTO comments (from_user_id, to_user_id, item_id, rating, date, comment)
   VALUES ($1, $2, $3, $4, $5, $6)`,
);
const addRating = statement("add-rating", "UPDATE users SET rating = rating + $1 WHERE id = $2");

interface FormRequest {
  itemId: number;
  to: number;
  nickname: string;
  password: string;
}

interface CommentRequest {
  itemId: number;
  to: number;
  from: number;
  rating: number;
  comment: string;
}

const commentSchema = object({
  itemId: id,
  to: id,
  from: id,
  rating: { type: "integer", enum: [-5, -3, 0, 3, 5] },
  comment: { type: "string", minLength: 1, maxLength: 2048 },
});

/** States 19 and 20: the form for a comment, after login, and what it stores. */
export function commentRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.post<{ Body: FormRequest }>(
    "/forms/comment",
    { schema: { body: object({ itemId: id, to: id, ...credentials }) } },
    async ({ body }) => {
      const user = await authenticate(database, body);
      const { id, name } = await findItem(database, body.itemId);
      const to = await findUser(database, body.to);
      return { user, item: { id, name }, to: { id: to.id, nickname: to.nickname } };
    },
  );

  app.post<{ Body: CommentRequest }>(
    "/comments",
    { schema: { body: commentSchema } },
    async ({ body }) => {
      const { itemId, to, from, rating, comment } = body;
      const item = await findItem(database, itemId);
      const author = await findUser(database, from);
      const user = await findUser(database, to);
      await database.transaction(async (t) => {
        await t.all(insertComment, from, to, itemId, rating, clock.now(), comment);
        await t.all(addRating, rating, to);
      });
      return {
        item: { id: item.id, name: item.name },
        to: { id: user.id, nickname: user.nickname },
        from: { id: author.id, nickname: author.nickname },
        rating,
        comment,
      };
    },
  );
}
