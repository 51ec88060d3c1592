// Parts of the TLS programs.
const tls = require("node:tls");
const certificates = require("../../certificates.cjs");

exports.certificates = certificates;
exports.serverOptions = { ...certificates.localhost };

/** Options of a client that trusts the test authority. */
exports.trusting = (port, more = {}) => ({ port, host: "127.0.0.1", ca: certificates.ca, ...more });

exports.describe = (socket) => ({
  protocol: socket.getProtocol(),
  cipher: socket.getCipher()?.standardName,
  authorized: socket.authorized,
  authorizationError: socket.authorizationError?.toString(),
  alpn: socket.alpnProtocol,
  servername: socket.servername,
  encrypted: socket.encrypted,
  reused: socket.isSessionReused(),
  peer: socket.getPeerCertificate()?.subject?.CN,
  tls: socket instanceof tls.TLSSocket,
});
