// The server goes away at each stage; the client is told by the same errors.
const http = require("node:http");
const net = require("node:net");
const { listen, once, track, watch } = require("../../observe.cjs");

(async () => {
  const kinds = {
    "1 nothing": (socket) => socket.destroy(),
    "2 ended": (socket) => socket.end(),
    "3 reset": (socket) => socket.resetAndDestroy(),
    "4 half a header": (socket) => socket.end("HTTP/1.1 200 OK\r\nConte"),
    "5 half a body": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    "6 half a chunk": (socket) =>
      socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
    "7 nonsense": (socket) => socket.end("nonsense\r\n\r\n"),
    "8 two lengths": (socket) =>
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    "9 until the end": (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nall of it"),
  };
  for (const [name, answer] of Object.entries(kinds)) {
    const log = track(name);
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => answer(socket));
    });
    const port = await listen(server, "port", "127.0.0.1");
    const request = http.get({ port, host: "127.0.0.1", agent: false });
    request.on("error", (error) => log("error", error, error.rawPacket));
    request.on("response", (response) => {
      log("response", response.statusCode);
      watch(log, response, ["data", "aborted", "error", "end", "close"]);
      response.on("close", () => log("complete", response.complete, response.aborted));
    });
    await once(request, "close");
    log("close", request.destroyed, request.aborted, request.reusedSocket);
    server.close();
    await once(server, "close");
  }
  // Nobody listens at all.
  const log = track("refused");
  const free = net.createServer();
  const port = await listen(free, "free", "127.0.0.1");
  free.close();
  await once(free, "close");
  const request = http.get({ port, host: "127.0.0.1" });
  watch(log, request, ["error", "close"]);
  await once(request, "close");
})();
