// GET, POST and HEAD: what both sides see.
const http = require("node:http");
const { collect, listen, track, watch } = require("../../observe.cjs");
const { ask } = require("./_peers.cjs");

(async () => {
  const serving = track("server");
  const server = http.createServer(async (request, response) => {
    const { method, url, httpVersion, headers, rawHeaders } = request;
    serving("request", method, url, httpVersion, headers, rawHeaders.length);
    serving(
      "socket",
      request.socket.remoteAddress,
      request.socket === request.connection,
      request.socket.server === server,
    );
    const body = await collect(request);
    serving("body", body, request.complete, request.aborted);
    response.setHeader("X-Test", ["one", "two"]);
    response.writeHead(201, "Made", { "Content-Type": "text/plain" });
    response.write("you said: ");
    response.end(body, () => serving("ended", response.writableFinished, response.headersSent));
  });
  watch(serving, server, ["connection", "close", "clientError"]);
  const port = await listen(server, "port", "127.0.0.1");
  const log = track("client");
  for (const [options, body] of [
    [{ port, path: "/a?b=c" }, undefined],
    [{ port, method: "POST", headers: { "Content-Type": "text/x" } }, "some text"],
    [{ port, method: "HEAD" }, undefined],
    [{ port, method: "PUT", headers: { "Transfer-Encoding": "chunked" } }, "chunked text"],
    [{ port, method: "DELETE", headers: { "X-A": ["1", "2"], Cookie: "a=b" } }, undefined],
  ]) {
    const { status, text, headers, response } = await ask(options, body);
    const { date, ...rest } = headers;
    log("answer", status, response.statusMessage, text, rest, typeof date);
  }
  server.close(() => log("closed"));
})();
