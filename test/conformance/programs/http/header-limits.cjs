// Headers that are too large, at the server and at the client; maxHeadersCount; invalid headers.
const http = require("node:http");
const net = require("node:net");
const { attempt, listen, once, track } = require("../../observe.cjs");
const { ask, raw } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  const server = http.createServer({ maxHeaderSize: 2000 }, (request, response) => {
    response.end(`${Object.keys(request.headers).length}`);
  });
  const port = await listen(server, "port", "127.0.0.1");
  log("fits", (await ask({ port, headers: { "X-Big": "x".repeat(1000) } })).text);
  log(
    "too large",
    await raw(port, `GET / HTTP/1.1\r\nHost: a\r\nX-Big: ${"x".repeat(3000)}\r\n\r\n`),
  );
  log("by http", (await ask({ port, headers: { "X-Big": "x".repeat(3000) } })).status);
  server.maxHeadersCount = 3;
  const many = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`x-${i}`, "1"]));
  log("maxHeadersCount", (await ask({ port, headers: many })).text);
  server.close();

  const plain = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () =>
      socket.end(`HTTP/1.1 200 OK\r\nX-Big: ${"x".repeat(30_000)}\r\nContent-Length: 0\r\n\r\n`),
    );
  });
  const other = await listen(plain, "plain", "127.0.0.1");
  for (const maxHeaderSize of [undefined, 40_000]) {
    const request = http.get({ port: other, host: "127.0.0.1", agent: false, maxHeaderSize });
    const outcome = await Promise.race([once(request, "response"), once(request, "error")]);
    const [first] = outcome;
    if (first instanceof Error) log("client", first.code, first.message, first.reason);
    else {
      log("client", first.statusCode, first.headers["x-big"].length);
      first.resume();
    }
  }
  plain.close();
  attempt(log, "bad name", () => http.request({ port, headers: { "a b": "1" } }));
  attempt(log, "bad value", () => http.request({ port, headers: { a: "1\n2" } }));
  attempt(log, "bad path", () => http.request({ port, path: "/a b" }));
  attempt(log, "bad method", () => http.request({ port, method: "G T" }));
  attempt(log, "bad protocol", () => http.request("ftp://127.0.0.1/"));
  attempt(log, "bad url", () => http.request("nonsense"));
  log(
    "limits",
    http.maxHeaderSize,
    server.timeout,
    server.maxRequestsPerSocket,
    server.headersTimeout > 0,
  );
})();
