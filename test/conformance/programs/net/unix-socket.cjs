// Servers and clients on a path.
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { listen, once, track, watchSocket } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "unix-"));
  process.chdir(directory);
  const server = net.createServer((socket) => {
    watchSocket(track("accepted"), socket);
    log("accepted", socket.remoteAddress, socket.localAddress, socket.address(), socket.remotePort);
    socket.on("data", (data) => socket.write(data));
  });
  server.listen("one.sock");
  await once(server, "listening");
  log("address", server.address(), fs.statSync("one.sock").isSocket());
  const client = watchSocket(track("client"), net.connect("one.sock"));
  client.write("hello");
  log("data", (await once(client, "data"))[0]);
  log("ends", client.remoteAddress, client.localAddress, client.address());
  client.end();
  await once(client, "close");
  server.close();
  await once(server, "close");
  log("unlinked", !fs.existsSync("one.sock"));

  const missing = watchSocket(track("missing"), net.connect({ path: "missing.sock" }));
  await once(missing, "close");
  fs.writeFileSync("file", "");
  const file = watchSocket(track("file"), net.createConnection("file"));
  await once(file, "close");

  const taken = net.createServer();
  taken.listen({ path: "two.sock", readableAll: true, writableAll: true });
  await once(taken, "listening");
  log("mode", (fs.statSync("two.sock").mode & 0o777).toString(8));
  const busy = net.createServer();
  busy.listen("two.sock");
  log("in use", (await once(busy, "error"))[0]);
  const nowhere = net.createServer();
  nowhere.listen("no/such/folder.sock");
  log("nowhere", (await once(nowhere, "error"))[0]);
  taken.close();

  // A server on a port beside one on a path.
  const both = net.createServer();
  log("port", (await listen(both, "port", "127.0.0.1")) > 0);
  both.close();
  process.chdir("/");
  fs.rmSync(directory, { recursive: true });
})();
