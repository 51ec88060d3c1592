// Errors of listen: thrown for bad arguments, as events for what the system refuses.
const net = require("node:net");
const { attempt, listen, once, track } = require("../../observe.cjs");

const log = track("all");
(async () => {
  const first = net.createServer();
  const port = await listen(first, "port", "127.0.0.1");
  for (const options of [
    { port, host: "127.0.0.1" },
    { port, host: "0.0.0.0" },
    { port },
    { port: 0, host: "192.0.2.77" },
    { port: 0, host: "2001:db8::77" },
  ]) {
    const server = net.createServer();
    server.on("listening", () => log("listening"));
    server.on("close", () => log("close"));
    server.listen(options);
    log("listening getter", server.listening);
    const [error] = await once(server, "error");
    log("refused", options, error, server.listening, server.address());
  }
  for (const args of [
    [-1],
    [65536],
    ["abc"],
    [1.5],
    [{}],
    [{ port: 70000 }],
    [{ host: "127.0.0.1" }],
    [{ port: null }],
    [true],
    [{ port: 0, signal: {} }],
    [{ fd: -1 }],
    [NaN],
    [{ path: 5 }],
    [Infinity],
    ["0x"],
  ]) {
    attempt(log, `listen(${JSON.stringify(args)})`, () => {
      const server = net.createServer();
      server.on("error", (error) => log("error event", error));
      server.listen(...args);
      server.close();
      return "accepted";
    });
  }
  attempt(log, "listening already", () => first.listen(0));
  first.close();
  attempt(log, "createServer(5)", () => net.createServer(5));
  attempt(log, "createServer of a string", () => net.createServer("x"));
  // A server that failed may listen again.
  const again = net.createServer();
  const taken = net.createServer();
  const busy = await listen(taken, "busy", "127.0.0.1");
  again.once("error", (error) => {
    log("first try", error.code);
    again.listen(0, "127.0.0.1", () => {
      log("second try", again.listening);
      again.close();
      taken.close();
    });
  });
  again.listen(busy, "127.0.0.1");
})();
