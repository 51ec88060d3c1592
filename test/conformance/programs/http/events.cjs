// The events of a request and its response at both sides, in order.
const http = require("node:http");
const { listen, track, watch } = require("../../observe.cjs");

(async () => {
  const server = http.createServer();
  server.on("request", (request, response) => {
    const log = track("server");
    watch(log, request, ["end", "close", "error", "aborted"]);
    watch(log, response, ["finish", "close", "error", "pipe"]);
    request.on("data", (data) => log("data", data));
    request.on("end", () => {
      response.write("one");
      response.end("two");
    });
    watch(log, request.socket, ["end", "finish", "close"]);
  });
  const port = await listen(server, "port", "127.0.0.1");
  const log = track("client");
  const request = http.request({ port, host: "127.0.0.1", method: "POST", agent: false });
  watch(log, request, ["socket", "finish", "response", "close", "error", "abort", "drain"]);
  request.on("socket", (socket) => {
    log("socket state", socket.connecting);
    watch(log, socket, ["lookup", "connect", "ready", "close", "free"]);
  });
  request.on("response", (response) => {
    watch(log, response, ["end", "close", "error", "aborted"]);
    response.resume();
    response.on("close", () => server.close(() => track("end")("closed")));
  });
  request.end("body", () => log("end callback"));
})();
