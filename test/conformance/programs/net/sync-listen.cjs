// listen with an address gives the port at once; two servers cannot have one port; it is free after close.
const net = require("node:net");
const { once, port: named, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer();
  server.listen(0);
  const { port } = server.address();
  named(port, "port");
  log("at once", port > 0, server.listening, server.address());
  server.on("listening", () => log("listening"));
  server.close();
  log("closed at once", server.listening, server.address());
  await once(server, "close");
  const again = net.createServer();
  again.listen(port, "127.0.0.1");
  await once(again, "listening");
  log("again", again.address());
  // The same port of another address of loopback.
  const other = net.createServer((socket) => socket.end("other"));
  other.listen(port, "127.0.0.2");
  other.on("error", (error) => log("other", error));
  await once(other, "listening");
  log("other", other.address());
  const client = net.connect(port, "127.0.0.2");
  log("data", (await once(client, "data"))[0]);
  again.close();
  other.close();
  client.destroy();
})();
