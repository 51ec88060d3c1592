// dns.lookup of literals and of localhost, its forms and its errors.
import dns from "node:dns";
import { attempt, track } from "../../observe.cjs";

const log = track("all");
const look = (...args) =>
  new Promise((resolve) => {
    try {
      dns.lookup(...args, (...answer) => {
        log("lookup", args, ...answer);
        resolve();
      });
    } catch (error) {
      log("lookup throws", args, error);
      resolve();
    }
  });
await look("127.0.0.1");
await look("::1");
await look("127.0.0.1", { all: true });
await look("127.0.0.1", 6);
await look("::1", { family: 4 });
await look("::ffff:127.0.0.1");
await look("");
await look(null);
await look(undefined, 6);
await look(false, { all: true });
await look("localhost", 4);
await look("localhost", { family: "IPv4" });
await look("localhost", { all: true, family: 4 });
await look(5);
await look({});
await look("localhost", 5);
await look("localhost", { family: 9 });
await look("localhost", { hints: 1 << 20 });
await look("localhost", { all: "x" });
await look("localhost", { order: "none-such" });
attempt(log, "no callback", () => dns.lookup("localhost"));
attempt(log, "bad callback", () => dns.lookup("localhost", {}, 5));
const request = dns.lookup("127.0.0.1", () => {});
log("request", request.constructor.name, request.hostname);
for (const args of [
  ["127.0.0.1"],
  ["::1", { all: true }],
  ["localhost", { family: 4 }],
  ["localhost", 7],
]) {
  try {
    log("promise", args, await dns.promises.lookup(...args));
  } catch (error) {
    log("promise rejects", args, error);
  }
}
log("order", dns.getDefaultResultOrder());
dns.setDefaultResultOrder("ipv4first");
log("order", dns.getDefaultResultOrder(), dns.promises.getDefaultResultOrder());
attempt(log, "bad order", () => dns.setDefaultResultOrder("x"));
