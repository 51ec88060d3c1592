// 64 MiB each way at the same time, checked.
const net = require("node:net");
const { createHash } = require("node:crypto");
const { listen, once, pattern, track } = require("../../observe.cjs");

const SIZE = 64 * 1024 * 1024;
const run = async (log, socket, seed) => {
  const block = pattern(1024 * 1024 - 7, seed);
  const hash = createHash("sha256");
  let received = 0;
  socket.on("data", (data) => {
    received += data.length;
    hash.update(data);
  });
  const ended = once(socket, "end");
  let sent = 0;
  while (sent < SIZE) {
    const part = block.subarray(0, Math.min(block.length, SIZE - sent));
    sent += part.length;
    if (!socket.write(part)) await once(socket, "drain");
  }
  socket.end();
  await ended;
  log("received", received, hash.digest("hex"));
  log("counts", socket.bytesRead, socket.bytesWritten);
};
(async () => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    run(track("server"), socket, 2);
    server.close();
  });
  const port = await listen(server, "port", "127.0.0.1");
  await run(track("client"), net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }), 3);
})();
