// The client ends; the server with allowHalfOpen goes on writing afterwards.
const net = require("node:net");
const { listen, track, watchSocket } = require("../../observe.cjs");

const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  const log = track("accepted");
  watchSocket(log, socket);
  log("allowHalfOpen", socket.allowHalfOpen);
  let got = "";
  socket.setEncoding("utf8").on("data", (text) => {
    got += text;
  });
  socket.on("end", () => {
    log("got", got, socket.readyState);
    socket.write("late ", () => {
      log("late written");
      setImmediate(() => socket.end("answer"));
    });
  });
  socket.on("close", () => server.close());
});
listen(server, "port", "127.0.0.1").then((port) => {
  const log = track("client");
  const client = watchSocket(log, net.connect(port, "127.0.0.1"));
  let got = "";
  client.setEncoding("utf8").on("data", (text) => {
    got += text;
  });
  client.end("question");
  client.on("finish", () => log("in finish", client.readyState));
  client.on("end", () => log("got", got, client.readyState));
});
