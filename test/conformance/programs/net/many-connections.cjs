// 200 connections at once, each with its own conversation.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

const COUNT = 200;
(async () => {
  const log = track("all");
  let open = 0;
  let most = 0;
  const server = net.createServer((socket) => {
    open++;
    most = Math.max(most, open);
    socket.on("close", () => open--);
    socket.on("data", (data) => socket.write(data));
  });
  const port = await listen(server, "port", "127.0.0.1");
  const clients = Array.from({ length: COUNT }, () => net.connect(port, "127.0.0.1"));
  await Promise.all(clients.map((client) => once(client, "connect")));
  const answers = await Promise.all(
    clients.map(async (client, i) => {
      let got = "";
      client.setEncoding("utf8").on("data", (text) => {
        got += text;
      });
      for (let round = 0; round < 5; round++) {
        const text = `${i}:${round};`;
        client.write(text);
        while (!got.endsWith(text)) await once(client, "data");
      }
      return got;
    }),
  );
  log(
    "answers",
    answers.every((text, i) => text === [0, 1, 2, 3, 4].map((r) => `${i}:${r};`).join("")),
  );
  log("ports", new Set(clients.map((client) => client.localPort)).size);
  log(
    "connections",
    await new Promise((resolve) => server.getConnections((_, count) => resolve(count))),
    most,
  );
  for (const client of clients) client.end();
  server.close(() => log("closed"));
})();
