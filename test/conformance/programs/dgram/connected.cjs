// Connected sockets: connect, remoteAddress, send without an address, disconnect; the errors of misuse.
const dgram = require("node:dgram");
const { attempt, once, port: named, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = dgram.createSocket("udp4");
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  named(port, "server");
  server.on("message", (message, info) => server.send(`echo ${message}`, info.port, info.address));
  const client = dgram.createSocket("udp4");
  attempt(log, "remoteAddress", () => client.remoteAddress());
  attempt(log, "disconnect", () => client.disconnect());
  client.connect(port, "127.0.0.1", () => log("connect callback"));
  attempt(log, "connect twice", () => client.connect(port));
  await once(client, "connect");
  log("remote", client.remoteAddress(), client.address().address);
  client.send("hello", (error, bytes) => log("sent", error, bytes));
  const [message, info] = await once(client, "message");
  log("message", message, info);
  client.disconnect();
  attempt(log, "remoteAddress", () => client.remoteAddress());
  attempt(log, "send without an address", () => client.send("x"));
  client.send("again", port, "127.0.0.1");
  log("again", (await once(client, "message"))[0]);
  client.close();
  server.close();

  // Nobody is there: the error comes with a later send.
  const gone = dgram.createSocket("udp4");
  const probe = dgram.createSocket("udp4");
  probe.bind(0, "127.0.0.1");
  await once(probe, "listening");
  const free = named(probe.address().port, "free");
  probe.close();
  await once(probe, "close");
  gone.connect(free, "127.0.0.1");
  await once(gone, "connect");
  gone.send("x");
  const [seen] = await once(gone, "error");
  log("refused", seen.code, seen.syscall);
  gone.close();
})();
