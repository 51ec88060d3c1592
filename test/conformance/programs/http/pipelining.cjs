// Requests pipelined over one raw socket are answered in their order; bad ones get 400.
const http = require("node:http");
const { listen, track } = require("../../observe.cjs");
const { raw } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  const server = http.createServer((request, response) => {
    const answer = () => response.end(`answer to ${request.url}`);
    if (request.url === "/slow") setTimeout(answer, 50);
    else answer();
  });
  const port = await listen(server, "port", "127.0.0.1");
  const ask = (path, more = "") => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
  log(
    "three",
    await raw(port, ask("/slow") + ask("/fast") + ask("/last", "Connection: close\r\n")),
  );
  log("1.0", await raw(port, "GET /old HTTP/1.0\r\n\r\n"));
  log("no host", await raw(port, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
  log("garbage", await raw(port, "garbage\r\n\r\n"));
  log("bad header", await raw(port, "GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n"));
  log("bad version", await raw(port, "GET / HTTP/9.9\r\n\r\n"));
  server.on("clientError", (error, socket) => {
    log("clientError", error.code, error.message, error.bytesParsed, socket.writable);
    socket.end("HTTP/1.1 418 Mine\r\n\r\n");
  });
  log("own answer", await raw(port, "nonsense\r\n\r\n"));
  server.close();
})();
