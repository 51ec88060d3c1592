// The promises API, dns.setServers for the module, Resolver.cancel, timeouts.
import dns from "node:dns";
import { track } from "../../observe.cjs";
import { start } from "./_server.cjs";

const { Resolver } = dns.promises;
const log = track("all");
const server = await start();
const resolver = new Resolver({ timeout: 100, tries: 1 });
resolver.setServers([server.address]);
const show = async (name, promise) => log(name, await promise.catch((error) => error));
await show("resolve4", resolver.resolve4("a.test"));
await show("resolveTxt", resolver.resolveTxt("text.test"));
await show("resolveSoa", resolver.resolveSoa("zone.test"));
await show("resolve SRV", resolver.resolve("_svc._tcp.test", "SRV"));
await show("missing", resolver.resolve4("missing.test"));
await show("no data", resolver.resolve6("zone.test"));
await show("timeout", resolver.resolve4("silent.test"));

const patient = new Resolver({ timeout: 5000, tries: 1 });
patient.setServers([server.address]);
const cancelled = show("cancelled", patient.resolve4("silent.test"));
await new Promise(setImmediate);
patient.cancel();
await cancelled;
patient.cancel();
const old = new dns.Resolver({ timeout: 5000, tries: 1 });
old.setServers([server.address]);
const called = new Promise((done) =>
  old.resolve4("silent.test", (error) => done(log("cancelled callback", error))),
);
old.cancel();
await called;

dns.setServers([server.address]);
log("module", dns.promises.getServers(), dns.getServers());
await show("resolve4", dns.promises.resolve4("a.test", { ttl: true }));
await show("resolveMx", dns.promises.resolveMx("mail.test"));
await show("reverse", dns.promises.reverse("192.0.2.1"));
await show("resolve", dns.promises.resolve("a.test", "AAAA"));
const answers = await Promise.all(
  Array.from({ length: 30 }, () => dns.promises.resolve4("a.test")),
);
log(
  "many",
  answers.every((answer) => answer.join() === "192.0.2.1,192.0.2.2"),
);
log(
  "codes",
  dns.NOTFOUND,
  dns.NODATA,
  dns.SERVFAIL,
  dns.TIMEOUT,
  dns.CANCELLED,
  dns.ADDRCONFIG,
  dns.ALL,
  dns.V4MAPPED,
);
server.stop();
