import { readFileSync } from "node:fs";
import formbody from "@fastify/formbody";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type Application, SorryError, UnavailableError } from "./application.ts";
import * as browse from "./pages/browse.ts";
import type { Interaction } from "./pages/context.ts";
import * as members from "./pages/members.ts";
import * as fixed from "./pages/static.ts";
import * as trade from "./pages/trade.ts";
import * as view from "./pages/view.ts";
import { type Given, Parameters } from "./parameters.ts";
import { loadViews } from "./views.ts";

/** The addresses of the original, by interaction. The load driver relies on them. */
const interactions: Record<string, Interaction> = {
  "/": fixed.home,
  "/register": fixed.register,
  "/RegisterUser": members.registerUser,
  "/browse": fixed.browse,
  "/BrowseCategories": browse.browseCategories,
  "/SearchItemsByCategory": browse.searchItemsByCategory,
  "/BrowseRegions": browse.browseRegions,
  "/SearchItemsByRegion": browse.searchItemsByRegion,
  "/ViewItem": view.viewItem,
  "/ViewUserInfo": view.viewUserInfo,
  "/ViewBidHistory": view.viewBidHistory,
  "/BuyNowAuth": fixed.buyNowAuth,
  "/BuyNow": trade.buyNow,
  "/StoreBuyNow": trade.storeBuyNow,
  "/PutBidAuth": fixed.putBidAuth,
  "/PutBid": trade.putBid,
  "/StoreBid": trade.storeBid,
  "/PutCommentAuth": fixed.putCommentAuth,
  "/PutComment": trade.putComment,
  "/StoreComment": trade.storeComment,
  "/sell": fixed.sell,
  "/SelectCategoryToSellItem": members.selectCategoryToSellItem,
  "/SellItemForm": fixed.sellItemForm,
  "/RegisterItem": members.registerItem,
  "/about-me": fixed.aboutMe,
  "/AboutMe": view.aboutMe,
};

const html = "text/html; charset=utf-8";
const files: Record<string, string> = {
  "style.css": "text/css; charset=utf-8",
  "favicon.svg": "image/svg+xml",
};

/** Pages load nothing from elsewhere, run no script and stand in no frame. */
const security = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  // The forms send passwords by GET, as in the original; at least no other site sees them.
  "referrer-policy": "no-referrer",
};

/** The web tier before an application tier; it does not listen yet. */
export async function buildWeb(application: Application): Promise<FastifyInstance> {
  const render = loadViews();
  const show = (reply: FastifyReply, status: number, name: string, data: object) =>
    reply.code(status).headers(security).type(html).send(render(name, data));

  const app = Fastify({
    // A description of 8 KiB in the address, escaped, is longer than Node's limit of 16 KiB.
    http: { maxHeaderSize: 64 * 1024 },
    bodyLimit: 256 * 1024,
    keepAliveTimeout: 75_000,
    // At the end, requests that run are answered; connections that only wait are closed.
    forceCloseConnections: "idle",
    return503OnClosing: false,
    // What the router cannot decode, e.g. `/%zz`.
    frameworkErrors: (error, _request, reply) =>
      void show(reply as FastifyReply, 400, "error", {
        title: "Error",
        reason: `${error.message}.`,
      }),
  });
  await app.register(formbody);

  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof SorryError)
      return show(reply, 200, "sorry", { title: "Sorry", reason: error.message });
    if (error instanceof UnavailableError)
      return show(reply, error.status, "error", {
        title: "Out of service",
        reason: `RUBiS is out of service for the moment: ${error.message.replace(/\.$/, "")}. Try again soon.`,
      });
    const status = error.statusCode ?? 500;
    if (status >= 500) console.error(`rubis-web: ${error.stack ?? error.message}`);
    const reason =
      status < 500
        ? `The request cannot be read: ${error.message}.`
        : "An error happened in this server.";
    return show(reply, status, "error", { title: "Error", reason });
  });
  app.setNotFoundHandler((request, reply) =>
    show(reply, 404, "error", {
      title: "Not found",
      reason: `There is no page ${request.url.split("?")[0]}.`,
    }),
  );

  for (const [url, interaction] of Object.entries(interactions)) {
    app.route({
      method: ["GET", "POST"],
      url,
      handler: async (request: FastifyRequest, reply) => {
        const given = { ...(request.query as Given), ...((request.body ?? {}) as Given) };
        const { view: name, data } = await interaction(new Parameters(given), application);
        return show(reply, 200, name, data);
      },
    });
  }
  for (const [name, type] of Object.entries(files)) {
    const content = readFileSync(new URL(`../public/${name}`, import.meta.url));
    app.get(`/${name}`, (_request, reply) =>
      reply
        .headers(security)
        .header("cache-control", "public, max-age=3600")
        .type(type)
        .send(content),
    );
  }
  app.get("/healthz", async () => ({ status: "ok" }));
  return app;
}
