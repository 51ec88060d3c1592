// setTimeout: an idle socket, one that is busy, setTimeout(0), the timeout option.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const server = net.createServer((socket) => {
    socket.on("data", (data) => socket.write(data));
    socket.on("end", () => {});
  });
  const port = await listen(server, "port", "127.0.0.1");
  const log = track("client");
  const socket = net.connect(port, "127.0.0.1");
  log("returns itself", socket.setTimeout(500, () => log("callback")) === socket, socket.timeout);
  socket.on("timeout", () => log("timeout event"));
  await once(socket, "timeout");
  log("still open", socket.readyState);
  socket.setTimeout(0);
  log("off", socket.timeout);
  socket.write("ping");
  log("data", (await once(socket, "data"))[0]);

  const option = net.connect({ port, host: "127.0.0.1", timeout: 40 });
  log("option", option.timeout);
  await once(option, "timeout");
  option.destroy();

  // Each byte starts the time again.
  let timeouts = 0;
  const busy = net.connect({ port, host: "127.0.0.1" });
  busy.setTimeout(600, () => timeouts++);
  for (let i = 0; i < 20; i++) {
    busy.write("x");
    await once(busy, "data");
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  log("busy", timeouts);
  busy.destroy();

  const accepted = once(server, "connection");
  const idle = net.connect(port, "127.0.0.1");
  const [peer] = await accepted;
  peer.setTimeout(30);
  await once(peer, "timeout");
  peer.end("idle");
  log("server side", (await once(idle, "data"))[0]);
  idle.destroy();
  socket.end();
  server.close(() => log("closed"));
  server.on("timeout", () => log("never"));
})();
