import { type Interaction, page } from "./context.ts";

/** State 2. */
export const registerUser: Interaction = async (given, application) => {
  const body = {
    firstname: given.text("firstname", "your first name", 20),
    lastname: given.text("lastname", "your last name", 20),
    nickname: given.text("nickname", "a nickname", 20),
    email: given.text("email", "your email address", 50),
    password: given.text("password", "a password", 20),
    region: given.text("region", "your region", 25),
  };
  return page("registered", "Registered", await application.post<object>("/users", body));
};

/** State 22. */
export const selectCategoryToSellItem: Interaction = async (given, application) =>
  page(
    "sell-categories",
    "Sell your item",
    await application.post<object>("/forms/sell", given.credentials()),
  );

/** State 24. */
export const registerItem: Interaction = async (given, application) => {
  const body = {
    name: given.text("name", "a name for your item", 100),
    description: given.optional("description") ?? "",
    initialPrice: given.requiredPrice("initialPrice", "the initial price"),
    reservePrice: given.price("reservePrice", "the reserve price"),
    buyNow: given.price("buyNow", "the price to buy now"),
    duration: given.integer("duration", "the duration", 1, 365),
    quantity: given.integer("quantity", "the quantity", 1),
    userId: given.id("userId", "a user identifier"),
    categoryId: given.id("categoryId", "a category identifier"),
  };
  return page("item-registered", "Your item", await application.post<object>("/items", body));
};
