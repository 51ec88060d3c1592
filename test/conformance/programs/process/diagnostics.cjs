// Diagnostics that programs use: diagnostics_channel of net and http, performance, event loop delay.
const channel = require("node:diagnostics_channel");
const http = require("node:http");
const net = require("node:net");
const { performance } = require("node:perf_hooks");
const { collect, listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  for (const name of [
    "net.client.socket",
    "net.server.socket",
    "http.client.request.start",
    "http.client.response.finish",
    "http.server.request.start",
    "http.server.response.finish",
  ]) {
    channel.subscribe(name, (message) =>
      track(name)("message", Object.keys(message).sort(), message.socket instanceof net.Socket),
    );
  }
  const server = http.createServer((_request, response) => response.end("x"));
  const port = await listen(server, "port", "127.0.0.1");
  const [response] = await once(http.get({ port, host: "127.0.0.1", agent: false }), "response");
  log("answer", await collect(response), performance.now() > 0);
  server.close();
})();
