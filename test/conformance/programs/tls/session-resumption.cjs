// Sessions are resumed, with TLS 1.2 and 1.3.
const tls = require("node:tls");
const { listen, once, track } = require("../../observe.cjs");
const { serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  for (const version of ["TLSv1.2", "TLSv1.3"]) {
    const log = track(version);
    const server = tls.createServer({ ...serverOptions, maxVersion: version }, (socket) => {
      log("server", socket.isSessionReused());
      socket.on("data", () => socket.end("answer"));
    });
    const port = await listen(server, "port", "127.0.0.1");
    let session;
    for (let i = 0; i < 2; i++) {
      const socket = tls.connect(trusting(port, { session }));
      socket.once("session", (given) => {
        session = given;
      });
      await once(socket, "secureConnect");
      socket.write("x");
      log("data", (await once(socket, "data"))[0], socket.isSessionReused(), socket.getProtocol());
      if (!socket.closed) await once(socket, "close");
    }
    server.close();
  }
})();
