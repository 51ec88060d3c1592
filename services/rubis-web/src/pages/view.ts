import { type Interaction, page } from "./context.ts";

interface Item {
  id: number;
  name: string;
}

/** State 9. */
export const viewItem: Interaction = async (given, application) => {
  const id = given.id("itemId", "an item identifier");
  const found = await application.get<{ item: Item }>(`/items/${id}`);
  return page("item", found.item.name, found);
};

/** State 10. */
export const viewUserInfo: Interaction = async (given, application) => {
  const id = given.id("userId", "a user identifier");
  const found = await application.get<{ user: { nickname: string } }>(`/users/${id}`);
  return page("user", `About ${found.user.nickname}`, found);
};

/** State 11. */
export const viewBidHistory: Interaction = async (given, application) => {
  const id = given.id("itemId", "an item identifier");
  const found = await application.get<{ item: Item }>(`/items/${id}/bids`);
  return page("bids", `Bid history of ${found.item.name}`, found);
};

/** State 26. */
export const aboutMe: Interaction = async (given, application) => {
  const found = await application.post<{ user: { nickname: string } }>(
    "/about-me",
    given.credentials(),
  );
  return page("about-me", `About me: ${found.user.nickname}`, found);
};
