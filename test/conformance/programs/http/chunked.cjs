// Chunked bodies both ways, as bytes on the wire; trailers; flushHeaders.
const http = require("node:http");
const net = require("node:net");
const { collect, listen, once, track } = require("../../observe.cjs");
const { raw } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  const server = http.createServer(async (request, response) => {
    const body = await collect(request);
    log("body", body, request.trailers, request.headers.trailer);
    response.writeHead(200, { Trailer: "X-Sum" });
    response.write("first");
    response.write("second");
    response.addTrailers({ "X-Sum": "11" });
    response.end();
  });
  const port = await listen(server, "port", "127.0.0.1");
  log(
    "wire",
    await raw(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-T: yes\r\n\r\n",
    ),
  );
  const request = http.request({ port, host: "127.0.0.1", method: "POST", agent: false });
  request.setHeader("Trailer", "X-Client");
  request.flushHeaders();
  request.write("part");
  request.addTrailers({ "X-Client": "done" });
  request.end();
  const [response] = await once(request, "response");
  log("answer", await collect(response), response.trailers, response.rawTrailers);
  server.close();

  // What the client sends, seen by a plain server.
  const plain = net.createServer((socket) => {
    let seen = "";
    socket.on("data", (data) => {
      seen += data;
      if (seen.endsWith("0\r\n\r\n")) {
        log("sent", seen);
        socket.end(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        );
      }
    });
  });
  const other = await listen(plain, "plain", "127.0.0.1");
  const client = http.request({ port: other, host: "127.0.0.1", method: "PUT", agent: false });
  client.write("a");
  client.write("bc");
  client.end("def");
  const [answer] = await once(client, "response");
  log("received", await collect(answer));
  plain.close();
})();
