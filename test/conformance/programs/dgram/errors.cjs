// Errors of dgram: bind, send, arguments, use after close.
const dgram = require("node:dgram");
const { attempt, once, port: named, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const first = dgram.createSocket("udp4");
  first.bind(0, "127.0.0.1");
  await once(first, "listening");
  const { port } = first.address();
  named(port, "port");
  for (const options of [
    { port, address: "127.0.0.1" },
    { port: 0, address: "192.0.2.77" },
  ]) {
    const socket = dgram.createSocket("udp4");
    socket.bind(options);
    log("bind", (await once(socket, "error"))[0]);
    socket.close();
  }
  attempt(log, "bind twice", () => first.bind(0));
  attempt(log, "type", () => dgram.createSocket("udp5"));
  attempt(log, "no type", () => dgram.createSocket());
  const socket = dgram.createSocket("udp4");
  attempt(log, "address", () => socket.address());
  attempt(log, "port 0", () => socket.send("x", 0));
  attempt(log, "port 70000", () => socket.send("x", 70_000));
  attempt(log, "number", () => socket.send(5, port));
  attempt(log, "object", () => socket.send({}, port));
  attempt(log, "array", () => socket.send([1], port));
  attempt(log, "offset", () => socket.send(Buffer.alloc(3), 5, 1, port));
  attempt(log, "length", () => socket.send(Buffer.alloc(3), 1, 5, port));
  attempt(log, "bad address", () => socket.send("x", port, 5));
  const failed = await new Promise((resolve) =>
    socket.send(Buffer.alloc(70_000), port, "127.0.0.1", resolve),
  );
  log("too long", failed);
  log("other family", await new Promise((resolve) => socket.send("x", port, "::1", resolve)));
  attempt(log, "setTTL", () => socket.setTTL(64));
  attempt(log, "setTTL 0", () => socket.setTTL(0));
  attempt(log, "setTTL text", () => socket.setTTL("x"));
  attempt(log, "setMulticastTTL", () => socket.setMulticastTTL(10));
  attempt(log, "setMulticastLoopback", () => socket.setMulticastLoopback(true));
  attempt(log, "setBroadcast", () => socket.setBroadcast(true));
  attempt(log, "buffer sizes", () => [
    socket.getRecvBufferSize() > 0,
    socket.getSendBufferSize() > 0,
  ]);
  attempt(log, "setRecvBufferSize", () => socket.setRecvBufferSize(100_000));
  attempt(log, "setSendBufferSize", () => socket.setSendBufferSize("x"));
  attempt(log, "addMembership", () => socket.addMembership("nonsense"));
  attempt(log, "queue", () => [socket.getSendQueueSize(), socket.getSendQueueCount()]);
  socket.close();
  attempt(log, "close twice", () => socket.close());
  attempt(log, "send after close", () => socket.send("x", port));
  attempt(log, "bind after close", () => socket.bind());
  attempt(log, "address after close", () => socket.address());
  attempt(log, "ref after close", () => socket.ref() === socket && socket.unref() === socket);
  const early = dgram.createSocket("udp4");
  attempt(log, "setBroadcast before bind", () => early.setBroadcast(true));
  attempt(log, "buffer size before bind", () => early.getRecvBufferSize());
  early.close();
  first.close();
})();
