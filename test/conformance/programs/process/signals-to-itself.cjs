// process.kill and process.once for one's own signals, with a server that keeps the program alive.
const net = require("node:net");
const server = net
  .createServer()
  .listen(0, "127.0.0.1", () => process.kill(process.pid, "SIGUSR2"));
process.once("SIGUSR2", (signal) => {
  console.log(signal);
  process.kill(process.pid, "SIGHUP");
});
process.once("SIGHUP", (signal) => {
  console.log(signal, process.listenerCount("SIGUSR2"));
  server.close();
});
console.log(process.kill(process.pid, 0));
