import { SorryError } from "../application.ts";
import { type Interaction, page } from "./context.ts";

interface Named {
  id: number;
  name: string;
}

/** States 4 and 7: the categories, of one region if it is given. */
export const browseCategories: Interaction = async (given, application) => {
  const region = given.optional("region");
  const query = region === null ? "" : `?region=${encodeURIComponent(region)}`;
  const found = await application.get<{ region: Named | null; categories: Named[] }>(
    `/categories${query}`,
  );
  const title = found.region ? `Categories in ${found.region.name}` : "Categories";
  return page("categories", title, found);
};

/** State 6. */
export const browseRegions: Interaction = async (_given, application) =>
  page("regions", "Regions", await application.get<object>("/regions"));

interface Found {
  items: unknown[];
  more: boolean;
}

const titleOf = "Items in ";

function search(path: "/SearchItemsByCategory" | "/SearchItemsByRegion"): Interaction {
  return async (given, application) => {
    const category = given.id("category", "a category identifier");
    const categoryName = given.optional("categoryName") ?? `category ${category}`;
    const number = given.optional("page") ? given.integer("page", "the page", 0, 1_000_000) : 0;
    const nbOfItems = given.optional("nbOfItems")
      ? given.integer("nbOfItems", "the number of items on a page", 1, 100)
      : 20;
    let query = `category=${category}`;
    if (path === "/SearchItemsByRegion")
      query = `region=${given.id("region", "a region identifier")}&${query}`;
    const paging = `&page=${number}&nbOfItems=${nbOfItems}`;
    const { items, more } = await application.get<Found>(`/items?${query}${paging}`);
    if (items.length === 0)
      throw new SorryError(
        number === 0
          ? "there are no items available in this category."
          : "there are no more items available in this category.",
      );
    const link = (to: number) =>
      `${path}?${query}&categoryName=${encodeURIComponent(categoryName)}&page=${to}&nbOfItems=${nbOfItems}`;
    return page("items", titleOf + categoryName, {
      items,
      number,
      previous: number > 0 ? link(number - 1) : null,
      next: more ? link(number + 1) : null,
    });
  };
}

/** States 5 and 8. */
export const searchItemsByCategory = search("/SearchItemsByCategory");
export const searchItemsByRegion = search("/SearchItemsByRegion");
