// child_process.fork: the server in the parent, a client in the child, messages beside it.
const { fork } = require("node:child_process");
const net = require("node:net");
const path = require("node:path");
const { collect, listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer({ allowHalfOpen: true });
  const port = await listen(server, "port", "127.0.0.1");
  const child = fork(path.join(__dirname, "_client.cjs"), [String(port)]);
  const exited = once(child, "exit");
  const messaged = once(child, "message");
  const [socket] = await once(server, "connection");
  socket.write("from the parent");
  log("message", (await messaged)[0]);
  log("heard", (await collect(socket)).toString());
  socket.end();
  log("exit", await exited);
  server.close();
})();
