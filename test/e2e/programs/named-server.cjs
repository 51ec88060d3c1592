// node named-server.cjs PORT NAME: says NAME on every connection, then echoes.
const net = require("node:net");
const [port, name] = process.argv.slice(2);
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", (error) => console.log(`error ${error.code}`));
  socket.write(`${name}\n`);
  socket.pipe(socket);
});
server.listen({ port: Number(port), backlog: 4096 }, () => console.log("ready"));
