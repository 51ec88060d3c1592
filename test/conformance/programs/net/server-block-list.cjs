// conformance: node>=22
// A server's blockList closes what it does not want, and says drop.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const blockList = new net.BlockList();
  blockList.addAddress("127.0.0.1");
  const server = net.createServer({ blockList }, () => log("never"));
  const port = await listen(server, "port", "127.0.0.1");
  const dropped = once(server, "drop");
  const client = net.connect(port, "127.0.0.1");
  client.on("error", () => {});
  client.resume();
  const [data] = await dropped;
  log("drop", data.localAddress, data.localPort, data.remoteAddress, data.remoteFamily);
  await once(client, "close");
  server.close();
})();
