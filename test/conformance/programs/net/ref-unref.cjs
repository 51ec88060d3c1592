// Nothing that is referenced is left: the process ends by itself, with sockets and a server open.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => {
    log("server side returns itself", socket.unref() === socket);
  });
  const port = await listen(server, "port", "127.0.0.1");
  log("unref returns itself", server.unref() === server, server.ref() === server);
  const client = net.connect(port, "127.0.0.1");
  await once(client, "connect");
  await new Promise((resolve) => server.getConnections(resolve));
  client.unref();
  client.ref();
  client.unref();
  server.unref();
  process.on("beforeExit", () => log("beforeExit", client.readyState, server.listening));
  client.on("close", () => log("never closed"));
})();
