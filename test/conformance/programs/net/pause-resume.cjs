// A paused socket gives no data and no end until it is resumed.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => socket.end("some data"));
  const port = await listen(server, "port", "127.0.0.1");
  const client = net.connect(port, "127.0.0.1");
  client.on("data", (data) => log("data", data));
  client.on("end", () => log("end"));
  client.on("pause", () => log("pause event"));
  client.on("resume", () => log("resume event"));
  log("returns itself", client.pause() === client, client.isPaused());
  await once(client, "connect");
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  log("still paused", client.isPaused(), client.readableEnded, client.readableFlowing);
  log("returns itself", client.resume() === client, client.isPaused());
  await once(client, "close");
  log("closed", client.bytesRead);
  server.close();
})();
