// TLS against plain servers, plain against TLS, refused connections, destroy in the handshake, bad options.
const net = require("node:net");
const tls = require("node:tls");
const { attempt, collect, listen, once, track, watch } = require("../../observe.cjs");
const { serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  const plain = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("this is not TLS at all, it is text\r\n"));
  });
  const plainPort = await listen(plain, "plain", "127.0.0.1");
  let log = track("1 plain server");
  let socket = tls.connect(trusting(plainPort));
  socket.on("error", (error) => log("error", error.code, error.syscall));
  watch(log, socket, ["secureConnect", "close"]);
  await once(socket, "close");
  plain.close();

  const hanging = net.createServer((peer) => {
    peer.on("error", () => {});
    peer.once("data", () => peer.end());
  });
  const hangingPort = await listen(hanging, "hanging", "127.0.0.1");
  log = track("2 ended in the handshake");
  socket = tls.connect(trusting(hangingPort));
  watch(log, socket, ["error", "secureConnect", "end", "close"]);
  await once(socket, "close");
  hanging.close();

  const server = tls.createServer({ ...serverOptions, handshakeTimeout: 60 });
  server.on("secureConnection", () => track("server")("never"));
  const refused = (name) => {
    server.once("tlsClientError", (error, peer) => {
      track(name)("tlsClientError", error.code, peer.destroyed);
      peer.destroy();
    });
  };
  const port = await listen(server, "port", "127.0.0.1");
  refused("3 plain client");
  const text = net.connect(port, "127.0.0.1");
  text.on("error", () => {});
  text.write("GET / HTTP/1.1\r\n\r\n");
  track("3 plain client")("got something", (await collect(text).catch(() => [])).length >= 0);
  refused("4 silent client");
  const silent = net.connect(port, "127.0.0.1");
  silent.on("error", () => {});
  silent.resume();
  await once(silent, "close");
  refused("5 gone client");
  const gone = net.connect(port, "127.0.0.1");
  gone.on("connect", () => gone.destroy());
  await once(server, "tlsClientError");
  server.close();
  await once(server, "close");

  log = track("6 refused");
  socket = tls.connect(trusting(port));
  watch(log, socket, ["error", "secureConnect", "close"]);
  await once(socket, "close");

  log = track("7 destroyed while connecting");
  socket = tls.connect(trusting(port));
  watch(log, socket, ["error", "secureConnect", "close"]);
  socket.destroy();
  await once(socket, "close");

  log = track("8 options");
  attempt(log, "bad key", () => tls.createServer({ key: "x", cert: "y" }) instanceof tls.Server);
  attempt(log, "bad version", () => tls.createSecureContext({ minVersion: "x" }));
  attempt(log, "no port", () => tls.connect({}));
  attempt(log, "bad ciphers", () => tls.createSecureContext({ ciphers: "none-such" }));
  attempt(log, "socket", () => tls.connect({ socket: 5, port: 70_000 }));
  log(
    "defaults",
    tls.DEFAULT_MAX_VERSION,
    tls.DEFAULT_MIN_VERSION,
    tls.rootCertificates.length > 50,
  );
})();
