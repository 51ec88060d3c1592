// conformance: not-in outsourced handles cannot go to other processes: they fail with a coded error
// A server handed to a forked child.
const { fork } = require("node:child_process");
const net = require("node:net");
const { collect, listen, once, track } = require("../../observe.cjs");

if (process.argv[2] === "child") {
  process.on("message", (_message, server) => {
    server.on("connection", (socket) => {
      socket.end("from the child");
      server.close();
      process.disconnect();
    });
  });
} else {
  (async () => {
    const log = track("all");
    const server = net.createServer();
    const port = await listen(server, "port", "127.0.0.1");
    const child = fork(__filename, ["child"]);
    child.send("server", server, () => server.close());
    await once(server, "close");
    log("answer", (await collect(net.connect(port, "127.0.0.1"))).toString());
    log("exit", await once(child, "exit"));
  })();
}
