// What a TLS socket tells of its session and the other's certificate.
const tls = require("node:tls");
const { listen, once, track } = require("../../observe.cjs");
const { serverOptions, trusting } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  const server = tls.createServer(serverOptions, (socket) => socket.resume());
  const port = await listen(server, "port", "127.0.0.1");
  const socket = tls.connect(trusting(port));
  await once(socket, "secureConnect");
  const { subject, issuer, subjectaltname, fingerprint256, serialNumber, valid_to, ca } =
    socket.getPeerCertificate();
  log("certificate", {
    subject,
    issuer,
    subjectaltname,
    fingerprint256,
    serialNumber,
    valid_to,
    ca,
  });
  log("chain", socket.getPeerCertificate(true).issuerCertificate.subject);
  log(
    "x509",
    socket.getPeerX509Certificate().subject,
    socket.getPeerX509Certificate().checkHost("localhost"),
  );
  log(
    "own",
    socket.getCertificate(),
    socket.getFinished().length > 0,
    socket.getPeerFinished().length > 0,
  );
  log(
    "session",
    socket.getSession() instanceof Buffer,
    socket.getTLSTicket(),
    socket.getEphemeralKeyInfo(),
  );
  log(
    "keys",
    socket.exportKeyingMaterial(16, "label").length,
    socket.getSharedSigalgs().length >= 0,
  );
  log("fragment", socket.setMaxSendFragment(1024));
  log(
    "chain",
    socket.setNoDelay() === socket,
    socket.setKeepAlive() === socket,
    socket.setTimeout(1000).setTimeout(0) === socket,
  );
  log("counts", socket.bytesRead > 0, socket.bytesWritten >= 0);
  socket.end();
  await once(socket, "close");
  log("closed", socket.getPeerCertificate(), socket.getProtocol());
  server.close();
})();
