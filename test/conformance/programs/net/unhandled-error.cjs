// An error event without a handler ends the process, code 1.
const net = require("node:net");
const { listen, track } = require("../../observe.cjs");

const log = track("all");
process.on("exit", (code) => log("exit", code));
const server = net.createServer();
listen(server, "port", "127.0.0.1").then(() => {
  server.close(() => {
    const socket = net.connect({ port: 1, host: "127.0.0.1" });
    socket.on("close", (hadError) => log("close", hadError));
  });
});
