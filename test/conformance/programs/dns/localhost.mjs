// localhost in the orders: the addresses that its hosts file gives.
import dns from "node:dns/promises";
import { track } from "../../observe.cjs";

const log = track("all");
for (const options of [
  {},
  { all: true },
  { family: 6 },
  { verbatim: true },
  { verbatim: false },
  { all: true, order: "ipv4first" },
  { all: true, order: "ipv6first" },
]) {
  log("localhost", options, await dns.lookup("localhost", options).catch((error) => error));
}
