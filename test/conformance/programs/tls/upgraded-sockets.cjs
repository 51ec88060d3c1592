// TLS over sockets that were plain before (STARTTLS), over a Duplex, and new tls.TLSSocket.
const net = require("node:net");
const tls = require("node:tls");
const { Duplex } = require("node:stream");
const { listen, once, track } = require("../../observe.cjs");
const { certificates, describe, serverOptions } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => {
    socket.once("data", (data) => {
      log("plain", data);
      socket.write("go ahead");
      const secure = new tls.TLSSocket(socket, { isServer: true, ...serverOptions });
      secure.on("data", (text) => secure.write(`secured ${text}`));
      secure.on("end", () => secure.end());
      secure.on("error", (error) => log("server error", error.code));
    });
  });
  const port = await listen(server, "port", "127.0.0.1");
  const start = async () => {
    const plain = net.connect(port, "127.0.0.1");
    plain.write("STARTTLS");
    log("answer", (await once(plain, "data"))[0]);
    return plain;
  };
  const plain = await start();
  const secure = tls.connect({ socket: plain, ca: certificates.ca, servername: "localhost" });
  await once(secure, "secureConnect");
  log("secure", describe(secure), secure.remoteAddress, secure.remotePort);
  secure.write("hello");
  log("data", (await once(secure, "data"))[0]);
  secure.end();
  secure.resume();
  await once(secure, "close");
  log("plain closed", plain.destroyed);

  const under = await start();
  const wrapped = new tls.TLSSocket(under, { ca: certificates.ca });
  wrapped.write("wrapped");
  log("data", (await once(wrapped, "data"))[0]);
  wrapped.destroy();

  const carrier = await start();
  const duplex = Duplex.from({ readable: carrier, writable: carrier });
  const over = tls.connect({ socket: duplex, ca: certificates.ca, servername: "localhost" });
  await once(over, "secureConnect");
  over.write("over a duplex");
  log("data", (await once(over, "data"))[0]);
  over.on("error", () => {});
  over.destroy();
  carrier.destroy();
  server.close();
})();
