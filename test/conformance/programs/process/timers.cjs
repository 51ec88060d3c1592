// The order of timers, immediates, ticks and promises, without and with sockets in the program.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

const order = (log) =>
  new Promise((resolve) => {
    setImmediate(() => {
      log("immediate");
      setImmediate(() => {
        log("second immediate");
        setTimeout(() => {
          log("timeout");
          resolve();
        }, 5);
      });
      process.nextTick(() => log("tick"));
      Promise.resolve().then(() => log("promise"));
    });
  });
(async () => {
  await order(track("1 before"));
  const server = net.createServer((socket) => socket.pipe(socket));
  const port = await listen(server, "port", "127.0.0.1");
  const socket = net.connect(port, "127.0.0.1");
  socket.write("x");
  await once(socket, "data");
  await order(track("2 with sockets"));
  socket.destroy();
  server.close();
})();
