// destroy at different moments, with and without an error; what the peer sees.
const net = require("node:net");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => socket.write(data));
  });
  const port = await listen(server, "port", "127.0.0.1");

  let log = track("1 while connecting");
  let socket = watchSocket(log, net.connect(port, "127.0.0.1"));
  socket.destroy();
  log("destroyed", socket.destroyed, socket.connecting);
  await once(socket, "close");

  log = track("2 while connecting with an error");
  socket = watchSocket(log, net.connect(port, "127.0.0.1"));
  socket.write("x", (error) => log("write callback", error));
  socket.destroy(new Error("mine"));
  await once(socket, "close");

  log = track("3 connected");
  socket = watchSocket(log, net.connect(port, "127.0.0.1"), ["data"]);
  await once(socket, "connect");
  socket.destroy();
  log("at once", socket.destroyed, socket.readyState);
  process.nextTick(() => log("next tick"));
  await once(socket, "close");
  log("closed", socket.closed, socket.errored);

  log = track("4 connected with an error");
  socket = watchSocket(log, net.connect(port, "127.0.0.1"), ["data"]);
  await once(socket, "connect");
  socket.write("never answered", (error) => log("write callback", error?.code));
  socket.destroy(new TypeError("mine"));
  await once(socket, "close");
  log("closed", socket.errored);

  log = track("5 in data");
  socket = watchSocket(log, net.connect(port, "127.0.0.1"), ["data"]);
  socket.write("ping");
  socket.on("data", () => socket.destroy());
  await once(socket, "close");
  log(
    "write after",
    socket.write("x", (error) => log("callback", error)),
  );
  await new Promise(setImmediate);

  log = track("6 destroySoon");
  socket = watchSocket(log, net.connect(port, "127.0.0.1"), ["data"]);
  await once(socket, "connect");
  socket.write("x", () => log("written"));
  socket.destroySoon();
  log("not yet", socket.destroyed, socket.writable);
  await once(socket, "close");

  log = track("7 Symbol.asyncDispose");
  socket = net.connect(port, "127.0.0.1");
  socket.on("error", (error) => log("error", error));
  await once(socket, "connect");
  if (Symbol.asyncDispose && socket[Symbol.asyncDispose]) {
    await socket[Symbol.asyncDispose]();
  } else {
    socket.destroy();
  }
  log("disposed", socket.destroyed);
  server.close();
})();
