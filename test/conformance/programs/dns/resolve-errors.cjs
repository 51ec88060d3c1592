// What a name server can say no by; bad arguments; truncated answers come again by TCP.
const dns = require("node:dns");
const { attempt, track } = require("../../observe.cjs");
const { start } = require("./_server.cjs");

(async () => {
  const log = track("all");
  const server = await start();
  const resolver = new dns.Resolver({ tries: 1 });
  resolver.setServers([server.address]);
  const ask = (method, ...args) =>
    new Promise((resolve) => {
      try {
        resolver[method](...args, (error, answer) => {
          log(`${method}(${args})`, error, Array.isArray(answer) ? answer.length : answer);
          resolve();
        });
      } catch (error) {
        log(`${method}(${args}) throws`, error);
        resolve();
      }
    });
  await ask("resolve4", "missing.test");
  await ask("resolve4", "servfail.test");
  await ask("resolve4", "refused.test");
  await ask("resolve4", "notimp.test");
  await ask("resolve4", "formerr.test");
  await ask("resolve4", "zone.test");
  await ask("resolveMx", "a.test");
  await ask("reverse", "192.0.2.200");
  await ask("reverse", "nonsense");
  await ask("resolve", "a.test", "NONE");
  await ask("resolve", "a.test", 5);
  await ask("resolve4", 5);
  await ask("resolve4", "a..test");
  await ask("resolve4", "");
  await ask("resolveTxt", "big.test");
  log(
    "truncated, then by TCP",
    server.asked.filter((line) => line.includes("big.test")),
  );
  attempt(log, "setServers", () => resolver.setServers(["nonsense"]));
  attempt(log, "setServers", () => resolver.setServers("127.0.0.1"));
  attempt(log, "setServers", () => resolver.setServers(["127.0.0.1:99999"]));
  attempt(log, "setLocalAddress", () => resolver.setLocalAddress("nonsense"));
  attempt(log, "timeout", () => new dns.Resolver({ timeout: "x" }));
  attempt(log, "tries", () => new dns.Resolver({ tries: 0 }));
  resolver.setServers(["192.0.2.1", "[2001:db8::1]:5353", "127.0.0.1:53"]);
  log("servers", resolver.getServers());
  server.stop();
})();
