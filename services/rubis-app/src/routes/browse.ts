import type { FastifyInstance } from "fastify";
import { statement } from "../database.ts";
import { RefusedError } from "../errors.ts";
import type { Context } from "./context.ts";
import { id, object, text } from "./schemas.ts";

export const allCategories = statement("categories", "SELECT id, name FROM categories ORDER BY id");
const allRegions = statement("regions", "SELECT id, name FROM regions ORDER BY id");
export const regionByName = statement(
  "region-by-name",
  "SELECT id, name FROM regions WHERE name = $1",
);

const listed = "i.id, i.name, i.initial_price, i.max_bid, i.nb_of_bids, i.end_date";
const byCategory = statement(
  "items-by-category",
  `SELECT ${listed} FROM items i WHERE i.category = $1 AND i.end_date >= $2
   ORDER BY i.id LIMIT $3 OFFSET $4`,
);
const byRegion = statement(
  "items-by-region",
  `SELECT ${listed} FROM items i JOIN users u ON u.id = i.seller
   WHERE i.category = $1 AND i.end_date >= $2 AND u.region = $5
   ORDER BY i.id LIMIT $3 OFFSET $4`,
);

export interface Named {
  id: number;
  name: string;
}

interface Search {
  category: number;
  region?: number;
  page: number;
  nbOfItems: number;
}

const searchSchema = object(
  {
    category: id,
    region: id,
    page: { type: "integer", minimum: 0, maximum: 1_000_000, default: 0 },
    nbOfItems: { type: "integer", minimum: 1, maximum: 100, default: 20 },
  },
  ["region", "page", "nbOfItems"],
);

/** States 4 to 8: categories, regions, and the items of a category, or of one in a region. */
export function browseRoutes(app: FastifyInstance, { database, clock }: Context): void {
  app.get("/regions", async () => ({ regions: await database.all<Named>(allRegions) }));

  app.get<{ Querystring: { region?: string } }>(
    "/categories",
    { schema: { querystring: object({ region: text }, ["region"]) } },
    async ({ query }) => {
      let region: Named | null = null;
      if (query.region !== undefined) {
        region = await database.first<Named>(regionByName, query.region);
        if (!region)
          throw new RefusedError("unknown_region", `region ${query.region} does not exist.`);
      }
      return { region, categories: await database.all<Named>(allCategories) };
    },
  );

  app.get<{ Querystring: Search }>(
    "/items",
    { schema: { querystring: searchSchema } },
    async ({ query }) => {
      const { category, region, page, nbOfItems } = query;
      // One more than asked for tells whether there is a next page.
      const paging = [clock.now(), nbOfItems + 1, page * nbOfItems] as const;
      const found =
        region === undefined
          ? await database.all(byCategory, category, ...paging)
          : await database.all(byRegion, category, ...paging, region);
      return { items: found.slice(0, nbOfItems), more: found.length > nbOfItems };
    },
  );
}
