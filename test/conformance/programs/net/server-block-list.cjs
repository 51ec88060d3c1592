// conformance: node>=22
// A server's blockList closes connections before anyone sees them.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const blockList = new net.BlockList();
  blockList.addAddress("127.0.0.1");
  const server = net.createServer({ blockList }, () => log("never"));
  server.on("drop", () => log("drop"));
  const port = await listen(server, "port", "127.0.0.1");
  const client = net.connect(port, "127.0.0.1");
  client.on("connect", () => log("connect"));
  client.on("end", () => log("end"));
  client.on("error", (error) => log("error", error.code));
  client.resume();
  await once(client, "close");
  server.close(() => log("closed"));
})();
