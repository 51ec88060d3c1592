// The server ends; the client with allowHalfOpen keeps its side open until it ends it itself.
const net = require("node:net");
const { listen, track, watchSocket } = require("../../observe.cjs");

const server = net.createServer((socket) => {
  const log = track("accepted");
  watchSocket(log, socket);
  let got = "";
  socket.on("data", (data) => {
    got += data;
  });
  socket.on("close", () => {
    log("got", got);
    server.close();
  });
  socket.end("bye");
});
listen(server, "port", "127.0.0.1").then((port) => {
  const log = track("client");
  const client = watchSocket(log, net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
  client.resume();
  client.on("end", () => {
    log("in end", client.readyState, client.writable, client.destroyed);
    setImmediate(() => {
      log("a turn later", client.readyState, client.writable, client.destroyed);
      client.write("one ");
      client.end("two");
    });
  });
});
