// 16 MiB each way through TLS, checked.
const tls = require("node:tls");
const { digest, listen, once, pattern, track } = require("../../observe.cjs");
const { serverOptions, trusting } = require("./_peers.cjs");

const bytes = pattern(16 * 1024 * 1024);
const run = async (log, socket) => {
  const parts = [];
  socket.on("data", (data) => parts.push(data));
  const ended = once(socket, "end");
  for (let at = 0; at < bytes.length; at += 100_000) {
    if (!socket.write(bytes.subarray(at, at + 100_000))) await once(socket, "drain");
  }
  socket.end();
  await ended;
  const all = Buffer.concat(parts);
  log("received", all.length, digest(all) === digest(bytes));
};
(async () => {
  const server = tls.createServer({ ...serverOptions, allowHalfOpen: true }, (socket) => {
    run(track("server"), socket);
    server.close();
  });
  const port = await listen(server, "port", "127.0.0.1");
  await run(track("client"), tls.connect(trusting(port, { allowHalfOpen: true })));
})();
