// lookupService, and the order of callbacks of lookups.
import dns from "node:dns";
import { attempt, fault, track } from "../../observe.cjs";

const log = track("all");
attempt(log, "bad address", () => dns.lookupService("nonsense", 80, () => {}));
attempt(log, "bad port", () => dns.lookupService("127.0.0.1", 70_000, () => {}));
attempt(log, "no callback", () => dns.lookupService("127.0.0.1", 80));
const { service } = await dns.promises
  .lookupService("127.0.0.1", 80)
  .catch((error) => log("fails", fault(error)) ?? {});
log("service", service);
await new Promise((resolve) => {
  dns.lookup("127.0.0.1", () => {
    log("literal: callback");
    resolve();
  });
  log("literal: returned");
  process.nextTick(() => log("literal: tick"));
});
await new Promise((resolve) => {
  dns.lookup("localhost", () => {
    log("name: callback");
    resolve();
  });
  log("name: returned");
  process.nextTick(() => log("name: tick"));
  Promise.resolve().then(() => log("name: promise"));
});
