// One socket object connects again after it has closed, and after it was refused.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => {
    socket.on("data", (data) => socket.end(`<${data}>`));
  });
  const port = await listen(server, "port", "127.0.0.1");
  const gone = net.createServer();
  const free = await listen(gone, "free", "127.0.0.1");
  gone.close();
  await once(gone, "close");
  const socket = watchSocket(log, new net.Socket(), ["data"]);
  for (let i = 0; i < 3; i++) {
    socket.connect(port, "127.0.0.1", () => log("callback", i));
    log("state", socket.readyState, socket.destroyed, socket.pending);
    socket.write(`round ${i}`);
    await once(socket, "close");
    log("counts", socket.bytesRead, socket.bytesWritten, socket.destroyed);
  }
  socket.connect(free, "127.0.0.1");
  await once(socket, "close");
  socket.connect(port, "127.0.0.1");
  socket.write("after refusal");
  await once(socket, "close");
  server.close();
})();
