// setNoDelay, setKeepAlive and the options of the same names, on connections and servers.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 });
  log(
    "server",
    server.noDelay,
    server.keepAlive,
    server.keepAliveInitialDelay,
    server.allowHalfOpen,
  );
  const port = await listen(server, "port", "127.0.0.1");
  const accepted = once(server, "connection");
  const socket = net.connect({
    port,
    host: "127.0.0.1",
    noDelay: true,
    keepAlive: true,
    highWaterMark: 1000,
  });
  await once(socket, "connect");
  const [peer] = await accepted;
  for (const one of [socket, peer]) {
    log(
      "chain",
      one
        .setNoDelay(true)
        .setNoDelay(false)
        .setNoDelay()
        .setKeepAlive(true, 2000)
        .setKeepAlive(false)
        .setKeepAlive() === one,
    );
    log(
      "chain",
      one
        .setTimeout(5000)
        .setTimeout(0)
        .ref()
        .unref()
        .ref()
        .pause()
        .resume()
        .setEncoding("utf8") === one,
    );
  }
  log("highWaterMark", socket.readableHighWaterMark, socket.writableHighWaterMark);
  log(
    "own properties",
    "timeout" in socket,
    "server" in peer,
    peer.server === server,
    peer._server === server,
  );
  peer.end("bye");
  log("data", (await once(socket, "data"))[0]);
  await once(socket, "close");
  log(
    "after close",
    socket.setNoDelay() === socket,
    socket.setKeepAlive() === socket,
    socket.setTimeout(5) === socket,
  );
  server.close();
})();
