// 500 connections one after another and in small groups: open, one answer, closed by the server.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => socket.end("answer"));
  const port = await listen(server, "port", "127.0.0.1");
  let right = 0;
  const one = async () => {
    const socket = net.connect(port, "127.0.0.1");
    const [data] = await once(socket, "data");
    if (data.toString() === "answer") right++;
    if (!socket.closed) await once(socket, "close");
  };
  for (let i = 0; i < 100; i++) await one();
  for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 10 }, one));
  log("right", right);
  server.close(() => log("closed"));
})();
