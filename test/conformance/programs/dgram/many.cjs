// Twenty clients, a thousand datagrams in rounds, each answered; order within a client is kept.
const dgram = require("node:dgram");
const { once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = dgram.createSocket("udp4");
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.on("message", (message, info) => server.send(message, info.port, info.address));
  const results = await Promise.all(
    Array.from({ length: 20 }, async (_, client) => {
      const socket = dgram.createSocket("udp4");
      let right = 0;
      for (let round = 0; round < 50; round++) {
        const text = `${client}:${round}`;
        socket.send(text, port, "127.0.0.1");
        const [message] = await once(socket, "message");
        if (message.toString() === text) right++;
      }
      socket.close();
      return right;
    }),
  );
  log("right", results);
  server.close();
})();
