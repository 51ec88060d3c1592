// Nobody listens: the error, the order of events, and the state of the socket in them.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const closed = net.createServer();
  const port = await listen(closed, "port", "127.0.0.1");
  closed.close();
  await once(closed, "close");
  for (const [name, ...args] of [
    ["1 address", port, "127.0.0.1"],
    ["2 ipv6", port, "::1"],
    ["3 options", { port, host: "127.0.0.1" }],
    ["4 string port", String(port), "127.0.0.1"],
  ]) {
    const log = track(name);
    const socket = watchSocket(log, net.connect(...args));
    socket.write("lost", (error) => log("write callback", error));
    socket.end("too", (error) => log("end callback", error));
    socket.on("error", () =>
      log("in error", socket.destroyed, socket.readyState, socket.connecting),
    );
    await once(socket, "close");
    log("after", socket.errored?.code, socket.bytesWritten, socket.bytesRead, socket.remoteAddress);
  }
})();
