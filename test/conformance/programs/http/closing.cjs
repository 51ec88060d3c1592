// close, closeIdleConnections and closeAllConnections of a server with idle and busy connections.
const http = require("node:http");
const { collect, listen, once, track, watch } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  let release;
  const server = http.createServer((request, response) => {
    if (request.url === "/busy") {
      response.write("begun ");
      release = () => response.end("done");
    } else response.end("idle");
  });
  const port = await listen(server, "port", "127.0.0.1");
  const agent = new http.Agent({ keepAlive: true });
  const [idle] = await once(http.get({ port, host: "127.0.0.1", agent }), "response");
  const idleSocket = idle.socket;
  await collect(idle);
  const [busy] = await once(
    http.get({
      port,
      host: "127.0.0.1",
      path: "/busy",
      agent: false,
    }),
    "response",
  );
  const busySocket = busy.socket;
  log("open", idleSocket.destroyed, busySocket.destroyed);
  watch(track("idle"), idleSocket, ["close"]);
  watch(track("busy"), busySocket, ["close", "error"]);
  const closedIdle = once(idleSocket, "close");
  server.closeIdleConnections();
  await closedIdle;
  log("idle closed", busySocket.destroyed);
  server.close(() => track("server")("closed"));
  release();
  log("busy answer", await collect(busy));
  if (!busySocket.destroyed) await once(busySocket, "close");
  if (server.listening) await once(server, "close");

  const again = await listen(server, "again", "127.0.0.1");
  const request = http.get({ port: again, host: "127.0.0.1", path: "/busy", agent: false });
  const [response] = await once(request, "response");
  watch(track("killed"), response, ["data", "aborted", "error", "end", "close"]);
  watch(track("killed"), request, ["close"]);
  await once(response, "data");
  server.closeAllConnections();
  await once(response, "close");
  server.close(() => track("server")("closed again"));
})();
