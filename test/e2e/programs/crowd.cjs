// Holds many idle connections. `crowd.cjs listen` accepts and keeps them; `crowd.cjs connect HOST
// PORT COUNT` opens that many and echoes one line over each of a few, to show that they live.
const net = require("node:net");

const say = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);
const [role, host, port, count] = process.argv.slice(2);
const AT_ONCE = 100;
const sockets = [];

if (role === "listen") {
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen({ port: 0, host: host ?? "0.0.0.0", backlog: 1024 }, () => {
    say({ event: "listening", port: server.address().port });
  });
} else {
  let started = 0;
  const next = () => {
    if (started === Number(count)) return;
    started++;
    const socket = net.connect(Number(port), host, () => {
      sockets.push(socket);
      if (sockets.length === Number(count)) say({ event: "open", count: sockets.length });
      next();
    });
    socket.on("error", (error) => {
      say({ event: "error", code: error.code });
      process.exit(1);
    });
  };
  for (let n = 0; n < AT_ONCE; n++) next();
  process.stdin.on("data", () => {
    const some = [sockets[0], sockets[sockets.length >> 1], sockets.at(-1)];
    let left = some.length;
    for (const socket of some) {
      socket.once("data", (data) => {
        left--;
        if (String(data) !== "ping") throw new Error(`got ${data}`);
        if (left === 0) say({ event: "alive" });
      });
      socket.write("ping");
    }
  });
}
