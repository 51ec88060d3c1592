// process.exit in a data handler, with connections open; what was written before arrives or not, the code does.
const net = require("node:net");
const { listen, track } = require("../../observe.cjs");

const log = track("all");
process.on("exit", (code) => log("exit", code));
const server = net.createServer((socket) => socket.write("now"));
listen(server, "port", "127.0.0.1").then((port) => {
  const client = net.connect(port, "127.0.0.1");
  client.on("data", () => process.exit(7));
  client.on("close", () => log("never"));
});
