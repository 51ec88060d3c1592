// Events around bind, send and close; close before listening; async context; dispose.
const { AsyncLocalStorage } = require("node:async_hooks");
const dgram = require("node:dgram");
const { once, track } = require("../../observe.cjs");

const storage = new AsyncLocalStorage();
(async () => {
  const log = track("1 order");
  const socket = dgram.createSocket("udp4");
  for (const event of ["listening", "message", "close", "error"])
    socket.on(event, () => log(event));
  socket.bind(0, "127.0.0.1", () => log("bind callback"));
  log("bind returned");
  await once(socket, "listening");
  socket.send("x", socket.address().port, "127.0.0.1", () => {
    log("send callback");
    process.nextTick(() => log("send callback: tick"));
  });
  log("send returned");
  await once(socket, "message");
  socket.close(() => log("close callback"));
  log("close returned");
  process.nextTick(() => log("tick after close"));
  await once(socket, "close");

  const early = dgram.createSocket("udp4");
  const second = track("2 early close");
  for (const event of ["listening", "close", "error"]) early.on(event, () => second(event));
  early.bind(0, "127.0.0.1");
  early.close();
  await once(early, "close");

  const third = track("3 context");
  await storage.run("creator", async () => {
    const own = dgram.createSocket("udp4");
    own.bind(0, "127.0.0.1");
    await once(own, "listening");
    own.on("message", () => third("message", storage.getStore()));
    own.on("close", () => third("close", storage.getStore()));
    storage.run("sender", () =>
      own.send("x", own.address().port, "127.0.0.1", () => third("sent", storage.getStore())),
    );
    await once(own, "message");
    own.close();
  });
})();
