// The peer is gone: writing goes on until the error comes.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const server = net.createServer();
  const port = await listen(server, "port", "127.0.0.1");

  const log = track("1 half open");
  const socket = watchSocket(log, net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
  const [peer] = await once(server, "connection");
  socket.resume();
  peer.destroy();
  await once(socket, "end");
  const write = () =>
    socket.write("x", (error) =>
      error ? log("callback", error.code, error.syscall) : setImmediate(write),
    );
  socket.on("error", () => {});
  socket.removeAllListeners("error");
  socket.on("error", (error) =>
    log("error seen", error.code === "EPIPE" || error.code === "ECONNRESET"),
  );
  write();
  await once(socket, "close");

  // allowHalfOpen false: the socket ends itself, a write after that says so.
  const other = track("2 ended by the other party");
  const ended = watchSocket(other, net.connect(port, "127.0.0.1"));
  const [second] = await once(server, "connection");
  ended.resume();
  second.end();
  second.resume();
  await once(ended, "end");
  other(
    "write",
    ended.write("x", (error) => other("callback", error)),
  );
  await once(ended, "close");
  server.close();
})();
