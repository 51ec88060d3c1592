// nextTick, promises and setImmediate around the events of a socket.
const net = require("node:net");
const { once, track } = require("../../observe.cjs");

const around = (log, emitter, event) =>
  emitter.on(event, () => {
    log(event);
    process.nextTick(() => log(`${event}: tick`));
    Promise.resolve().then(() => log(`${event}: promise`));
    queueMicrotask(() => log(`${event}: microtask`));
  });
(async () => {
  const server = net.createServer((socket) => {
    const log = track("accepted");
    for (const event of ["data", "end", "finish", "close"]) around(log, socket, event);
    socket.on("data", (data) => socket.write(data, () => log("written")));
  });
  const serving = track("server");
  around(serving, server, "listening");
  around(serving, server, "close");
  server.listen(0, "127.0.0.1");
  serving("listen returned", server.address() !== null);
  process.nextTick(() => serving("tick after listen"));
  Promise.resolve().then(() => serving("promise after listen"));
  await once(server, "listening");
  const log = track("client");
  const client = net.connect(server.address().port, "127.0.0.1");
  for (const event of ["connect", "ready", "data", "end", "finish", "close"])
    around(log, client, event);
  log("connect returned");
  process.nextTick(() => log("tick after connect"));
  client.write("x", () => {
    log("written");
    process.nextTick(() => log("written: tick"));
    Promise.resolve().then(() => log("written: promise"));
  });
  await once(client, "data");
  client.end();
  log("end returned", client.writableFinished);
  process.nextTick(() => log("tick after end"));
  await once(client, "close");
  server.close();
  serving("close returned");
  process.nextTick(() => serving("tick after close"));
})();
