// conformance: env NODE_EXTRA_CA_CERTS=
// fetch over TLS with a certificate that nobody trusts, and with NODE_TLS_REJECT_UNAUTHORIZED.
// conformance: stderr ignored
import https from "node:https";
import { localhost } from "../../certificates.cjs";
import { listen, track } from "../../observe.cjs";

const log = track("all");
const server = https.createServer(localhost, (request, response) => {
  response.end(`${request.url} ${request.socket.encrypted} ${request.socket.servername}`);
});
server.on("tlsClientError", (error) => track("server")("tlsClientError", error.code));
const port = await listen(server, "port");
try {
  await fetch(`https://localhost:${port}/one`);
} catch (error) {
  log("refused", error.message, error.cause.code, error.cause.message);
}
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
const response = await fetch(`https://localhost:${port}/two`);
log("answer", response.status, await response.text());
server.close();
server.closeAllConnections();
