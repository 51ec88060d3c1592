// IPv6 only, IPv4 only and both: which addresses reach a server.
const net = require("node:net");
const { track } = require("../../observe.cjs");

const log = track("all");
const reach = (port, host) =>
  new Promise((resolve) => {
    const client = net.connect({ port, host, autoSelectFamily: false });
    client.on("connect", () => {
      resolve("reached");
      client.destroy();
    });
    client.on("error", (error) => resolve(error.code));
  });

(async () => {
  for (const options of [
    { host: "::", ipv6Only: true },
    { host: "::", ipv6Only: false },
    { host: "0.0.0.0" },
    { host: "::1" },
    { host: "127.0.0.1" },
    { host: "::ffff:127.0.0.1" },
  ]) {
    const server = net.createServer((socket) => socket.resume());
    await new Promise((resolve) => server.listen({ port: 0, ...options }, resolve));
    const { port, address, family } = server.address();
    const seen = {};
    for (const host of ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
      seen[host] = await reach(port, host);
    log("listen", options, address, family, seen);
    await new Promise((resolve) => server.close(resolve));
  }
})();
