// tls.connect and tls.createServer: the order of events at both ends.
const net = require("node:net");
const tls = require("node:tls");
const { listen, track, watch, watchSocket } = require("../../observe.cjs");
const { describe, serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  const serving = track("server");
  const server = tls.createServer(serverOptions);
  watch(serving, server, ["connection", "secureConnection", "close", "tlsClientError"]);
  server.on("secureConnection", (socket) => {
    const log = track("accepted");
    watchSocket(log, socket, ["data", "secure"]);
    log(
      "is",
      describe(socket),
      socket instanceof net.Socket,
      socket.remoteAddress,
      socket.remoteFamily,
    );
    socket.on("data", (data) => socket.write(data));
    socket.on("close", () => server.close());
  });
  const port = await listen(server, "port", "127.0.0.1");
  const log = track("client");
  const client = tls.connect(trusting(port), () => log("callback"));
  // Not finish: where it lies among the others depends on what TLS runs over.
  watch(log, client, ["connect", "ready", "secureConnect", "data", "end", "error", "close"]);
  log("at first", client.connecting, client.encrypted, client.readyState, client.authorized);
  client.on("secureConnect", () => {
    log(
      "is",
      describe(client),
      client instanceof net.Socket,
      client.remoteAddress,
      client.remotePort,
      client.address().family,
    );
    client.write("secret", () => log("written"));
  });
  client.on("data", () => client.end());
})();
