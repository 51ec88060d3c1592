import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeWebTier {
  readonly url: string;
  readonly requests: string[];
  readonly connections: () => number;
  close(): Promise<void>;
}

type Answer = (path: string, response: ServerResponse) => void;

/** Enough of every page of the web tier for a client to go on from it. */
export const EVERY_PAGE = `<a href="/ViewItem?itemId=7">item</a> <a href="/ViewUserInfo?userId=3">user</a>
<a href="/PutCommentAuth?itemId=7&amp;to=3">comment</a>
<a href="/SearchItemsByCategory?category=1&amp;categoryName=x&amp;page=0&amp;nbOfItems=20">c</a>
<a href="/SearchItemsByRegion?region=1&amp;category=1&amp;categoryName=x&amp;page=0&amp;nbOfItems=20">r</a>
<a href="/SellItemForm?user=3&amp;category=1">sell</a>${[
  "BuyNow",
  "StoreBuyNow",
  "PutBid",
  "StoreBid",
  "PutComment",
  "StoreComment",
  "RegisterItem",
]
  .map(
    (action) =>
      `<form action="/${action}"><input type="hidden" name="itemId" value="7"><input type="hidden" name="userId" value="3"><input type="hidden" name="minBid" value="5"><input type="hidden" name="maxQty" value="2"></form>`,
  )
  .join("\n")}`;

export async function fakeWebTier(
  answer: Answer = (_path, response) => response.end(EVERY_PAGE),
): Promise<FakeWebTier> {
  const requests: string[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    answer(request.url ?? "", response);
  });
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
