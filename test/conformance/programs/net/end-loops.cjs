// autoDestroy, emitClose, closed, and finished() of node:stream on sockets.
const net = require("node:net");
const { finished } = require("node:stream");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.on("data", (data) => {
      if (data.includes("reset")) socket.resetAndDestroy();
      else socket.end();
    });
  });
  const port = await listen(server, "port", "127.0.0.1");
  for (const [name, act] of [
    ["1 ended by both", (socket) => socket.end("bye")],
    ["2 destroyed", (socket) => socket.destroy()],
    ["3 destroyed with an error", (socket) => socket.destroy(new Error("mine"))],
    ["4 reset by the peer", (socket) => socket.write("reset")],
  ]) {
    const log = track(name);
    const socket = net.connect(port, "127.0.0.1");
    socket.resume();
    socket.on("error", () => {});
    await once(socket, "connect");
    finished(socket, (error) => log("finished", error));
    finished(socket, { writable: false }, (error) => log("finished reading", error?.code));
    finished(socket, { readable: false }, (error) => log("finished writing", error?.code));
    act(socket);
    await once(socket, "close");
    await new Promise(setImmediate);
    log(
      "flags",
      socket.readableAborted,
      socket.readableDidRead,
      socket.writableAborted,
      socket.errored?.code,
    );
  }
  server.close();
})();
