// Upgrade and CONNECT on both sides, with bytes that came along in the head.
const http = require("node:http");
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = http.createServer((_request, response) => response.end("plain"));
  server.on("upgrade", (request, socket, head) => {
    log("upgrade", request.headers.upgrade, head, socket instanceof net.Socket, socket.readyState);
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nearly",
    );
    socket.on("data", (data) => socket.end(`<${data}>`));
  });
  server.on("connect", (request, socket, head) => {
    log("connect", request.method, request.url.replace(/\d+$/, "<port>"), head);
    const target = net.connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      target.pipe(socket);
      socket.pipe(target);
    });
  });
  const port = await listen(server, "port", "127.0.0.1");

  const upgrading = http.request({
    port,
    host: "127.0.0.1",
    headers: { Connection: "Upgrade", Upgrade: "echo" },
    agent: false,
  });
  upgrading.end();
  const [response, socket, head] = await once(upgrading, "upgrade");
  log("upgraded", response.statusCode, response.headers, socket instanceof net.Socket);
  let seen = head.toString();
  socket.on("data", (data) => {
    seen += data;
  });
  socket.write("ping");
  await once(socket, "close");
  log("seen", seen);

  const tunnel = http.request({
    port,
    host: "127.0.0.1",
    method: "CONNECT",
    path: `127.0.0.1:${port}`,
    agent: false,
  });
  tunnel.end();
  const [established, through, rest] = await once(tunnel, "connect");
  log("established", established.statusCode, rest);
  const inner = http.get({
    createConnection: () => through,
    headers: { Host: "inner", Connection: "close" },
  });
  const [answer] = await once(inner, "response");
  log("through the tunnel", answer.statusCode, (await once(answer, "data"))[0]);

  // A server that does not upgrade.
  const other = http.createServer((request, res) =>
    res.end(`not upgraded: ${request.headers.upgrade}`),
  );
  const otherPort = await listen(other, "other", "127.0.0.1");
  const refused = http.get({
    port: otherPort,
    host: "127.0.0.1",
    headers: { Connection: "Upgrade", Upgrade: "echo" },
    agent: false,
  });
  const [plain] = await once(refused, "response");
  log("refused", plain.statusCode, (await once(plain, "data"))[0]);
  server.close();
  other.close();
  server.closeAllConnections();
  other.closeAllConnections();
  through.destroy();
})();
