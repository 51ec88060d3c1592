// A peer that does not read fills the pipe: write says false, and drain comes when it reads.
const net = require("node:net");
const { listen, once, pattern, track } = require("../../observe.cjs");

const chunk = pattern(65536);
(async () => {
  const log = track("all");
  const server = net.createServer({ pauseOnConnect: true });
  const port = await listen(server, "port", "127.0.0.1");
  const client = net.connect(port, "127.0.0.1");
  const [peer] = await once(server, "connection");
  log("water mark is sane", client.writableHighWaterMark >= 16384);
  let drains = 0;
  client.on("drain", () => drains++);
  let sent = 0;
  const FULL = 64 * 1024 * 1024;
  while (sent < FULL) {
    sent += chunk.length;
    if (!client.write(chunk)) {
      const drained = await Promise.race([
        once(client, "drain").then(() => true),
        new Promise((resolve) => setTimeout(resolve, 300, false)),
      ]);
      if (!drained) break;
    }
  }
  log("stuck", sent < FULL, client.writableNeedDrain, client.writableLength >= 16384);
  log("bytesWritten counts what waits", client.bytesWritten === sent);
  let received = 0;
  peer.on("data", (data) => {
    received += data.length;
  });
  const before = drains;
  peer.resume();
  await once(client, "drain");
  log("drained", drains > before, client.writableLength, client.writableNeedDrain);
  client.end();
  await once(peer, "end");
  log("all there", received === sent, peer.bytesRead === sent);
  server.close();
})();
