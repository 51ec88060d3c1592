// The ways to call net.connect, net.createConnection and socket.connect.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => socket.end("x"));
  const port = await listen(server, "port");
  const callback = () => log("callback");
  for (const args of [
    [port],
    [port, callback],
    [port, "127.0.0.1", callback],
    [String(port), "127.0.0.1"],
    [{ port }],
    [{ port: String(port), host: "::1" }, callback],
    [{ port, host: "127.0.0.1", family: 4 }, callback],
    [port, undefined, callback],
    [port, null, callback],
    [{ port, host: "" }, callback],
  ]) {
    for (const connect of [
      net.connect,
      net.createConnection,
      (...a) => new net.Socket().connect(...a),
    ]) {
      const socket = connect(...args);
      log("calling", args, socket.connecting, socket.pending);
      const [data] = await once(socket, "data");
      log("data", data);
      await once(socket, "close");
    }
  }
  server.close();
})();
