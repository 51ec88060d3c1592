// Writing after one's own end.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const server = net.createServer((socket) => socket.resume());
  const port = await listen(server, "port", "127.0.0.1");
  for (const [name, late] of [
    ["1 write", (socket, log) => socket.write("x", (error) => log("callback", error))],
    [
      "2 end again",
      (socket, log) => socket.end(undefined, (error) => log("callback", error)) === socket,
    ],
    [
      "3 end with data",
      (socket, log) => socket.end("x", (error) => log("callback", error)) === socket,
    ],
  ]) {
    const log = track(name);
    const socket = watchSocket(log, net.connect(port, "127.0.0.1"));
    socket.resume();
    await once(socket, "connect");
    socket.end("last", () => log("end callback"));
    log("returns", late(socket, log));
    await once(socket, "close");
  }
  server.close();
})();
