// An echo server.
const net = require("node:net");
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", (error) => console.log(`error ${error.code}`));
  socket.pipe(socket);
});
server.listen({ port: Number(process.argv[2]), backlog: 1024 }, () => console.log("ready"));
