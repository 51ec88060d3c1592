// net.BlockList on its own, for connections and for servers; SocketAddress.
const net = require("node:net");
const { attempt, listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const list = new net.BlockList();
  list.addAddress("127.0.0.9");
  list.addRange("10.0.0.1", "10.0.0.10");
  list.addSubnet("2001:db8::", 32, "ipv6");
  log("rules", list.rules);
  log("check", list.check("127.0.0.9"), list.check("10.0.0.5"), list.check("10.0.0.50"));
  log("check 6", list.check("2001:db8::1", "ipv6"), list.check("::ffff:127.0.0.9", "ipv6"));
  attempt(log, "bad", () => list.addAddress("nonsense"));
  const address = new net.SocketAddress({ address: "::1", family: "ipv6", port: 80 });
  log("address", address.address, address.family, address.port, address.flowlabel);

  const server = net.createServer((socket) => socket.end("x"));
  const port = await listen(server, "port", "127.0.0.1");
  const blocked = new net.BlockList();
  blocked.addAddress("127.0.0.1");
  for (const [name, options] of [
    ["1 literal", { host: "127.0.0.1" }],
    ["2 name", { host: "localhost" }],
    ["3 name, no auto", { host: "localhost", autoSelectFamily: false }],
  ]) {
    const socket = watchSocket(track(name), net.connect({ port, blockList: blocked, ...options }), [
      "data",
    ]);
    await once(socket, "close");
  }
  server.close();
})();
