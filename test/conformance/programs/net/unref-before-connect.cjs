// unref before connect: a connecting socket keeps nothing alive; a ref'd timer shows when it ends.
const net = require("node:net");
const { listen, track } = require("../../observe.cjs");

const log = track("all");
const server = net.createServer((socket) => socket.end("x"));
listen(server, "port", "127.0.0.1").then((port) => {
  server.unref();
  const socket = new net.Socket();
  socket.unref();
  socket.connect(port, "127.0.0.1");
  socket.on("connect", () => {
    log("connected");
    socket.ref();
  });
  socket.on("data", (data) => log("data", data));
  socket.on("close", () => {
    log("closed");
    clearInterval(timer);
  });
  const timer = setInterval(() => {}, 1000);
});
