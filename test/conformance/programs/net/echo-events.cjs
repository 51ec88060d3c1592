// The order of events at both ends of one connection, the client closing first.
const net = require("node:net");
const { listen, track, watch, watchSocket } = require("../../observe.cjs");

const server = net.createServer();
watch(track("server"), server, ["listening", "connection", "close", "error"]);
server.on("connection", (socket) => {
  const log = track("accepted");
  watchSocket(log, socket, ["data"]);
  socket.on("data", (data) => socket.write(data, () => log("written")));
  socket.on("close", () => server.close());
});
listen(server, "port", "127.0.0.1").then((port) => {
  const log = track("client");
  const client = watchSocket(log, net.connect(port, "127.0.0.1"), ["data"]);
  client.write("hello", () => log("written"));
  client.on("connect", () => log("in connect", client.readyState, client.pending));
  client.on("data", () => client.end(() => log("ended")));
});
