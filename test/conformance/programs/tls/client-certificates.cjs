// Client certificates: asked for, demanded, missing, from an unknown authority.
const tls = require("node:tls");
const { listen, once, track } = require("../../observe.cjs");
const { certificates, serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  for (const [name, rejectUnauthorized] of [
    ["1 asked", false],
    ["2 demanded", true],
  ]) {
    const server = tls.createServer(
      {
        ...serverOptions,
        ca: certificates.ca,
        requestCert: true,
        rejectUnauthorized,
        maxVersion: "TLSv1.2",
      },
      (socket) => {
        const subject = socket.getPeerCertificate().subject?.CN;
        socket.end(`${socket.authorized} ${socket.authorizationError} ${subject}`);
        socket.on("error", () => {});
      },
    );
    const port = await listen(server, "port", "127.0.0.1");
    for (const [kind, more] of [
      ["none", {}],
      ["good", certificates.client],
      ["stranger", certificates.self],
    ]) {
      const log = track(`${name}: ${kind}`);
      const refused = new Promise((resolve) => {
        server.once("tlsClientError", (error) => {
          log("server error", error.code);
          resolve();
        });
      });
      const socket = tls.connect(trusting(port, more));
      socket.on("data", (data) => log("data", data));
      let failed = false;
      socket.on("error", () => {
        failed = true;
      });
      await once(socket, "close");
      log("failed", failed);
      if (failed) await refused;
      server.removeAllListeners("tlsClientError");
    }
    server.close();
  }
})();
