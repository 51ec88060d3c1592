// The ways to call server.listen, and what they return.
const net = require("node:net");
const { attempt, once, track } = require("../../observe.cjs");

const log = track("all");
const callback = () => log("callback");
(async () => {
  const calls = [
    [],
    [callback],
    [0],
    [0, callback],
    ["0", callback],
    [0, "127.0.0.1", callback],
    [0, "127.0.0.1", 10, callback],
    [0, 10, callback],
    [{ port: 0 }, callback],
    [{ port: 0, host: "::1", backlog: 3 }, callback],
    [{ port: "0", host: "localhost", exclusive: true }, callback],
    [undefined, callback],
    [null, callback],
    [0, undefined, callback],
    [0, null, callback],
    [{ port: 0, host: "127.0.0.1", reusePort: false }, callback],
  ];
  for (const args of calls) {
    const server = net.createServer();
    log("before", args, server.listening, server.address());
    attempt(log, "returns itself", () => server.listen(...args) === server);
    await once(server, "listening");
    const { address, family, port } = server.address();
    log("after", address, family, port > 0, server.listening);
    server.close(callback);
    log("closing", server.listening);
    await once(server, "close");
  }
})();
