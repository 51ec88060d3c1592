// resetAndDestroy: the peer gets ECONNRESET; before connecting and after closing.
const net = require("node:net");
const { attempt, listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const server = net.createServer();
  const port = await listen(server, "port", "127.0.0.1");

  const client = watchSocket(track("1 client"), net.connect(port, "127.0.0.1"), ["data"]);
  const [peer] = await once(server, "connection");
  watchSocket(track("1 peer"), peer, ["data"]);
  peer.resume();
  track("1 client")("returns itself", client.resetAndDestroy() === client);
  await Promise.all([once(client, "close"), once(peer, "close")]);

  // The server resets, data was sent and is not read.
  const second = watchSocket(track("2 client"), net.connect(port, "127.0.0.1"));
  const [resetting] = await once(server, "connection");
  watchSocket(track("2 peer"), resetting);
  await new Promise((resolve) => second.write("unread", resolve));
  resetting.resetAndDestroy();
  await Promise.all([once(second, "close"), once(resetting, "close")]);

  server.on("connection", (socket) => socket.on("error", () => {}));
  const third = watchSocket(track("3 connecting"), net.connect(port, "127.0.0.1"));
  third.resetAndDestroy();
  track("3 connecting")("destroyed", third.destroyed);
  await once(third, "close");

  const fourth = watchSocket(track("4 never connected"), new net.Socket());
  attempt(track("4 never connected"), "call", () => fourth.resetAndDestroy() === fourth);
  await once(fourth, "close");

  attempt(track("5 closed"), "call", () => fourth.resetAndDestroy() === fourth);
  server.close();
})();
