// pauseOnConnect: the server's sockets give nothing until they are resumed.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer({ pauseOnConnect: true });
  const port = await listen(server, "port", "127.0.0.1");
  const client = net.connect(port, "127.0.0.1");
  client.end("early bytes");
  const [socket] = await once(server, "connection");
  log("paused", socket.isPaused(), socket.readableFlowing, server.pauseOnConnect);
  socket.on("data", (data) => log("data", data));
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  log("nothing yet", socket.bytesRead);
  socket.resume();
  await once(socket, "end");
  log("end", socket.bytesRead);
  server.close();
})();
