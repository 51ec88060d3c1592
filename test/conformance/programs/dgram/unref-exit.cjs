// A bound socket that is not referenced keeps nothing alive.
const dgram = require("node:dgram");
const { once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  log("returns itself", socket.unref() === socket, socket.ref() === socket);
  socket.unref();
  socket.on("close", () => log("never"));
  process.on("beforeExit", () => log("beforeExit"));
})();
