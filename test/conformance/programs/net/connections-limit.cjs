// getConnections, maxConnections and the drop event.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

const log = track("all");
const count = (server) =>
  new Promise((resolve) => server.getConnections((error, number) => resolve([error, number])));
(async () => {
  const server = net.createServer((socket) => socket.on("data", (data) => socket.write(data)));
  server.maxConnections = 2;
  const port = await listen(server, "port", "127.0.0.1");
  const clients = [];
  for (let i = 0; i < 2; i++) {
    const client = net.connect(port, "127.0.0.1");
    client.write("x");
    await once(client, "data");
    clients.push(client);
  }
  log("connections", await count(server), server._connections);
  const dropped = once(server, "drop");
  const third = net.connect(port, "127.0.0.1");
  third.on("error", (error) => log("third error", error.code));
  third.on("connect", () => log("third connect"));
  third.on("end", () => log("third end"));
  third.resume();
  const [data] = await dropped;
  log("drop", Object.keys(data).sort(), data.localAddress, data.localPort, data.remoteAddress);
  log("drop families", data.localFamily, data.remoteFamily);
  await once(third, "close");
  log("connections", await count(server));
  clients[0].end();
  await once(clients[0].resume(), "close");
  const fourth = net.connect(port, "127.0.0.1");
  fourth.write("y");
  log("fourth", (await once(fourth, "data"))[0]);
  fourth.end();
  clients[1].end();
  server.close(async () => log("closed", await count(server)));
})();
