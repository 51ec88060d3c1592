// process.exit(3), with a server still listening.
const net = require("node:net");
const server = net.createServer();
server.listen(0, "127.0.0.1", () => {
  console.log("listening", server.listening);
  process.exit(3);
});
process.on("exit", (code) => console.log("exit", code, process.exitCode));
