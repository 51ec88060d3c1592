// The server ends, the client (allowHalfOpen false) answers with its own end.
const net = require("node:net");
const { listen, track, watchSocket } = require("../../observe.cjs");

const server = net.createServer((socket) => {
  watchSocket(track("accepted"), socket, ["data"]);
  socket.end("goodbye");
  socket.resume();
  socket.on("close", () => server.close(() => track("server")("closed")));
});
listen(server, "port", "127.0.0.1").then((port) => {
  const log = track("client");
  const client = watchSocket(log, net.connect({ port, host: "127.0.0.1" }), ["data"]);
  client.on("end", () => {
    log("state in end", client.readyState, client.writable, client.writableEnded);
    setImmediate(() => log("state after end", client.writableEnded, client.readableEnded));
  });
});
