// Every kind of record, through callbacks, against a name server in this program.
const dns = require("node:dns");
const { track } = require("../../observe.cjs");
const { start } = require("./_server.cjs");

(async () => {
  const log = track("all");
  const server = await start();
  const resolver = new dns.Resolver();
  resolver.setServers([server.address]);
  log("servers", resolver.getServers());
  const ask = (method, ...args) =>
    new Promise((resolve) => {
      const request = resolver[method](...args, (error, answer) => {
        log(`${method}(${args.map((arg) => JSON.stringify(arg))})`, error, answer);
        resolve();
      });
      if (method === "resolve4") log("request", request.constructor.name);
    });
  await ask("resolve4", "a.test");
  await ask("resolve4", "a.test", { ttl: true });
  await ask("resolve6", "a.test");
  await ask("resolve6", "a.test", { ttl: true });
  await ask("resolveMx", "mail.test");
  await ask("resolveTxt", "text.test");
  await ask("resolveSrv", "_svc._tcp.test");
  await ask("resolveCname", "alias.test");
  await ask("resolve4", "alias.test");
  await ask("resolveNs", "zone.test");
  await ask("resolveSoa", "zone.test");
  await ask("resolvePtr", "ptr.test");
  await ask("resolveCaa", "caa.test");
  await ask("resolveNaptr", "naptr.test");
  await ask("reverse", "192.0.2.1");
  await ask("reverse", "2001:db8::1");
  await ask("resolve", "a.test");
  for (const type of ["A", "AAAA", "MX", "TXT", "SRV", "CNAME", "NS", "SOA", "PTR"]) {
    const name = {
      MX: "mail.test",
      TXT: "text.test",
      SRV: "_svc._tcp.test",
      CNAME: "alias.test",
      NS: "zone.test",
      SOA: "zone.test",
      PTR: "ptr.test",
    }[type];
    await ask("resolve", name ?? "a.test", type);
  }
  await ask("resolveAny", "a.test");
  log(
    "asked",
    server.asked.length > 0,
    server.asked.every((line) => line.startsWith("udp")),
  );
  server.stop();
})();
