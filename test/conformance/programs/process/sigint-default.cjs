// conformance: signal SIGINT
// No handler: the signal ends the program, with connections open.
const net = require("node:net");
const server = net.createServer((socket) => socket.write("x"));
server.listen(0, "127.0.0.1", () => {
  net.connect(server.address().port, "127.0.0.1").on("data", () => console.log("ready"));
});
