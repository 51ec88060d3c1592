import Fastify, { type FastifyInstance } from "fastify";
import type { Clock } from "./clock.ts";
import { type Database, statement } from "./database.ts";
import { isUnavailable, RefusedError } from "./errors.ts";
import { aboutMeRoutes } from "./routes/about-me.ts";
import { browseRoutes } from "./routes/browse.ts";
import { commentRoutes } from "./routes/comments.ts";
import { itemRoutes } from "./routes/items.ts";
import { sellRoutes } from "./routes/sell.ts";
import { tradeRoutes } from "./routes/trade.ts";
import { userRoutes } from "./routes/users.ts";

const ping = statement("ping", "SELECT 1 AS one");

/** The application tier over a database; it does not listen yet. */
export function buildApp(database: Database, clock: Clock): FastifyInstance {
  const app = Fastify({
    // The web tier keeps its connections for 30 s; closing first would race with its requests.
    keepAliveTimeout: 75_000,
    bodyLimit: 1024 * 1024,
    // At the end, requests that run are answered; connections that only wait are closed.
    forceCloseConnections: "idle",
    return503OnClosing: false,
  });

  app.setErrorHandler(
    (error: Error & { validation?: unknown; statusCode?: number }, _request, reply) => {
      const send = (status: number, code: string, message: string) =>
        reply.code(status).send({ error: { code, message } });
      if (error instanceof RefusedError) return send(error.status, error.code, error.message);
      if (error.validation) return send(400, "invalid_request", `${error.message}.`);
      if (isUnavailable(error))
        return send(503, "database_unavailable", "the database cannot be reached.");
      if (error.statusCode && error.statusCode < 500)
        return send(error.statusCode, "invalid_request", error.message);
      console.error(`rubis-app: ${error.stack ?? error.message}`);
      return send(500, "internal_error", "an error happened in the application.");
    },
  );
  app.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .send({ error: { code: "no_such_route", message: "there is no such interaction." } }),
  );

  app.get("/healthz", async () => {
    await database.first(ping);
    return { status: "ok" };
  });
  const context = { database, clock };
  for (const routes of [
    browseRoutes,
    itemRoutes,
    userRoutes,
    tradeRoutes,
    commentRoutes,
    sellRoutes,
    aboutMeRoutes,
  ])
    routes(app, context);
  return app;
}
