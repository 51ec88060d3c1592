import type { FastifyInstance } from "fastify";
import { type Queryable, statement } from "../database.ts";
import { isUniqueViolation, RefusedError, unknownUser } from "../errors.ts";
import { type Named, regionByName } from "./browse.ts";
import type { Context } from "./context.ts";
import { id, object } from "./schemas.ts";

const userById = statement(
  "user",
  `SELECT u.id, u.firstname, u.lastname, u.nickname, u.email, u.rating, u.balance, u.creation_date,
     r.name AS region
   FROM users u JOIN regions r ON r.id = u.region WHERE u.id = $1`,
);
const byCredentials = statement(
  "authenticate",
  "SELECT id, nickname FROM users WHERE nickname = $1 AND password = $2",
);
const commentsOn = statement(
  "comments-on-user",
  `SELECT c.id, c.from_user_id, u.nickname, c.item_id, c.rating, c.date, c.comment
   FROM comments c JOIN users u ON u.id = c.from_user_id
   WHERE c.to_user_id = $1 ORDER BY c.date DESC, c.id DESC`,
);
const nicknameTaken = statement("nickname-taken", "SELECT id FROM users WHERE nickname = $1");
const insertUser = statement(
  "insert-user",
  `INSERT INTO users (firstname, lastname, nickname, password, email, rating, balance, creation_date, region)
   VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7) RETURNING id`,
);

export interface Identity {
  id: number;
  nickname: string;
}

export interface User extends Identity {
  firstname: string;
  lastname: string;
  email: string;
  rating: number;
  balance: number;
  creation_date: string;
  region: string;
}

/** Gives the user of a nickname and password, or refuses. */
export async function authenticate(
  database: Queryable,
  { nickname, password }: { nickname: string; password: string },
): Promise<Identity> {
  const user = await database.first<Identity>(byCredentials, nickname, password);
  if (!user)
    throw new RefusedError("bad_credentials", "there is no user with this nickname and password.");
  return user;
}

export async function findUser(database: Queryable, userId: number): Promise<User> {
  const user = await database.first<User>(userById, userId);
  if (!user) throw unknownUser(userId);
  return user;
}

export async function findComments(database: Queryable, userId: number): Promise<unknown[]> {
  return database.all(commentsOn, userId);
}

interface Registration {
  firstname: string;
  lastname: string;
  nickname: string;
  password: string;
  email: string;
  region: string;
}

const registrationSchema = object({
  firstname: { type: "string", minLength: 1, maxLength: 20 },
  lastname: { type: "string", minLength: 1, maxLength: 20 },
  nickname: { type: "string", minLength: 1, maxLength: 20 },
  password: { type: "string", minLength: 1, maxLength: 20 },
  email: { type: "string", minLength: 1, maxLength: 50 },
  region: { type: "string", minLength: 1, maxLength: 25 },
});

function taken(nickname: string): RefusedError {
  return new RefusedError("nickname_taken", `the nickname ${nickname} is taken; choose another.`);
}

/** States 2 and 10: registration, and what is known of a user. */
export function userRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.get<{ Params: { id: number } }>(
    "/users/:id",
    { schema: { params: object({ id }) } },
    async ({ params }) => {
      const user = await findUser(database, params.id);
      return { user, comments: await findComments(database, params.id) };
    },
  );

  app.post<{ Body: Registration }>(
    "/users",
    { schema: { body: registrationSchema } },
    async ({ body }) => {
      const { firstname, lastname, nickname, password, email } = body;
      const region = await database.first<Named>(regionByName, body.region);
      if (!region)
        throw new RefusedError("unknown_region", `region ${body.region} does not exist.`);
      if (await database.first(nicknameTaken, nickname)) throw taken(nickname);
      try {
        const row = await database.first<{ id: number }>(
          insertUser,
          firstname,
          lastname,
          nickname,
          password,
          email,
          clock.now(),
          region.id,
        );
        return { user: await findUser(database, row?.id ?? 0) };
      } catch (e) {
        // Somebody took it between the two statements.
        if (isUniqueViolation(e)) throw taken(nickname);
        throw e;
      }
    },
  );
}
