// close() waits for the open connections; new ones are refused meanwhile.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

const log = track("all");
(async () => {
  const server = net.createServer((socket) => {
    socket.on("data", (data) => socket.write(data));
    socket.on("close", () => track("accepted")("closed"));
  });
  server.on("close", () => log("close event"));
  const port = await listen(server, "port", "127.0.0.1");
  const client = net.connect(port, "127.0.0.1");
  client.write("x");
  await once(client, "data");
  log("returns itself", server.close((error) => log("close callback", error)) === server);
  log("closing", server.listening, server.address());
  server.getConnections((error, count) => log("connections", error, count));
  server.close((error) => log("second close", error));
  const late = net.connect(port, "127.0.0.1");
  const [refusal] = await once(late, "error");
  log("late", refusal);
  client.write("still there");
  const [answer] = await once(client, "data");
  log("answer", answer);
  client.end();
  client.on("close", (hadError) => track("client")("closed", hadError));
  await once(server, "close");
  await new Promise((resolve) => {
    server.close((error) => {
      log("third close", error);
      resolve();
    });
  });
  const never = net.createServer();
  never.on("close", () => log("never listened: close event"));
  never.close((error) => log("never listened", error));
  const reopened = await listen(server, "again", "127.0.0.1");
  log("listens again", reopened > 0);
  server.close();
})();
