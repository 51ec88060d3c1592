// Certificates that are refused: the codes; what rejectUnauthorized false and checkServerIdentity change.
const tls = require("node:tls");
const { listen, once, track, watch } = require("../../observe.cjs");
const { certificates, describe, serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  const good = tls.createServer(serverOptions, (socket) => socket.end("hello"));
  const self = tls.createServer(certificates.self, (socket) => socket.end("hello"));
  const errors = track("servers");
  for (const server of [good, self]) {
    server.on("tlsClientError", (error) => errors("tlsClientError", error.code));
  }
  const port = await listen(good, "port", "127.0.0.1");
  const selfPort = await listen(self, "self", "127.0.0.1");
  for (const [name, options] of [
    ["1 unknown authority", { port, host: "127.0.0.1" }],
    ["2 self-signed", { port: selfPort, host: "127.0.0.1" }],
    [
      "3 self-signed and trusted",
      { port: selfPort, host: "127.0.0.1", ca: certificates.self.cert },
    ],
    ["4 not rejected", { port: selfPort, host: "127.0.0.1", rejectUnauthorized: false }],
    ["5 wrong name", trusting(port, { servername: "wrong.example" })],
    ["6 localhost", trusting(port, { host: "localhost" })],
    [
      "7 own check",
      trusting(port, {
        checkServerIdentity: (host, certificate) =>
          new Error(`${host} is not ${certificate.subject.CN}`),
      }),
    ],
    ["8 wrong version", trusting(port, { maxVersion: "TLSv1.2", minVersion: "TLSv1.2" })],
  ]) {
    const log = track(name);
    const socket = tls.connect(options);
    watch(log, socket, ["secureConnect", "data", "end", "close"]);
    socket.on("error", (error) => log("error", error, error.host, error.cert?.subject.CN));
    socket.on("secureConnect", () => log("is", describe(socket)));
    await once(socket, "close");
  }
  good.close();
  self.close();
})();
