// Exceptions in handlers reach uncaughtException; other sockets, and the same one, go on.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

const log = track("uncaught");
process.on("uncaughtException", (error, origin) => log(error.message, origin));
process.on("unhandledRejection", (error) => log("rejection", error.message));
(async () => {
  const server = net.createServer((socket) => {
    socket.on("data", (data) => {
      socket.write(data);
      if (data.includes("bad")) throw new Error(`thrown on ${data}`);
    });
  });
  server.on("connection", (socket) => {
    if (socket.localPort === 1) throw new Error("never");
  });
  const port = await listen(server, "port", "127.0.0.1");
  const good = net.connect(port, "127.0.0.1");
  const bad = net.connect(port, "127.0.0.1");
  bad.on("connect", () => {
    throw new Error("thrown in connect");
  });
  good.write("good");
  track("good")("data", (await once(good, "data"))[0]);
  for (let i = 0; i < 3; i++) {
    bad.write(`bad ${i}`);
    track("bad")("data", (await once(bad, "data"))[0]);
  }
  good.write("again");
  track("good")("data", (await once(good, "data"))[0]);
  const closed = once(bad, "close");
  bad.on("close", () => {
    throw new Error("thrown in close");
  });
  bad.end();
  await closed;
  good.end("bye", () => {
    throw new Error("thrown in callback of end");
  });
  await once(good, "close");
  server.close(() => {
    throw new Error("thrown in callback of close");
  });
})();
