/** Names that guests resolve by the agent: `host.outsock`, and each other's. */
import type { Endpoint } from "@outsock/vrpc";
import { HOST_ADDRESS } from "./address-plan.ts";

export function guestsByName(
  name: string,
  guest: (name: string) => Endpoint | undefined,
): Endpoint[] {
  const plain = name.toLowerCase().replace(/\.$/, "");
  if (plain === "host.outsock") return [{ address: HOST_ADDRESS, port: 0, family: 4 }];
  const found = guest(plain);
  return found === undefined ? [] : [found];
}
