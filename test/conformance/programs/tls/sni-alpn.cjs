// SNI with addContext and SNICallback; ALPN and its disagreement.
const tls = require("node:tls");
const { listen, once, track } = require("../../observe.cjs");
const { certificates, describe, serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  const server = tls.createServer({ ...serverOptions, ALPNProtocols: ["mine", "other"] });
  server.addContext("*.wild.example", certificates.other);
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    socket.end(`${socket.servername} ${socket.alpnProtocol}`);
  });
  server.on("tlsClientError", (error) => track("server")("tlsClientError", error.code));
  const port = await listen(server, "port", "127.0.0.1");
  const connect = async (port, more) => {
    const socket = tls.connect(trusting(port, more));
    try {
      await new Promise((resolve, reject) =>
        socket.once("secureConnect", resolve).once("error", reject),
      );
      log("client", more, describe(socket));
      log("data", (await once(socket, "data"))[0]);
      socket.destroy();
    } catch (error) {
      log("error", more, error.code);
    }
  };
  await connect(port, { servername: "localhost" });
  await connect(port, { servername: "a.wild.example", ALPNProtocols: ["other"] });
  await connect(port, { servername: "localhost", ALPNProtocols: ["unknown", "mine"] });
  await connect(port, { servername: "localhost", ALPNProtocols: ["unknown"] });
  await connect(port, { servername: "" });
  server.close();

  const choosing = tls.createServer({
    ...serverOptions,
    SNICallback: (name, callback) => {
      log("SNICallback", name);
      if (name === "bad.example") callback(new Error("no such name"));
      else
        setImmediate(
          callback,
          null,
          tls.createSecureContext(
            name === "other.example" ? certificates.other : certificates.localhost,
          ),
        );
    },
  });
  choosing.on("secureConnection", (socket) => socket.end("chosen").on("error", () => {}));
  choosing.on("tlsClientError", (error) => track("server")("choosing", error.message));
  const other = await listen(choosing, "other", "127.0.0.1");
  await connect(other, { servername: "other.example" });
  await connect(other, { servername: "localhost" });
  await connect(other, { servername: "bad.example" });
  choosing.close();
})();
