// localAddress and localPort of a connection; ones that cannot be had.
const net = require("node:net");
const { listen, once, port: named, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => socket.end(`${socket.remoteAddress}`));
  const port = await listen(server, "port", "127.0.0.1");
  const probe = net.createServer();
  const free = await listen(probe, "free", "127.0.0.1");
  probe.close();
  await once(probe, "close");
  for (const options of [
    { localAddress: "127.0.0.1" },
    { localAddress: "127.0.0.5" },
    { localPort: free },
    { localAddress: "192.0.2.99" },
    { localAddress: "::1" },
  ]) {
    const socket = net.connect({ port, host: "127.0.0.1", ...options });
    let got = "";
    socket.on("data", (data) => {
      got += data;
    });
    socket.on("connect", () => {
      log("connect", options, socket.localAddress, socket.localPort === options.localPort);
      if (options.localPort === undefined) named(socket.localPort, "client");
    });
    socket.on("error", (error) => log("error", options, error));
    await once(socket, "close");
    log("seen by the server", got);
  }
  server.close();
})();
