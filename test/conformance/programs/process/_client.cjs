// A child: connects to the port that it is told, says what it hears.
const net = require("node:net");
const socket = net.connect(Number(process.argv[2]), "127.0.0.1");
socket.setEncoding("utf8").on("data", (text) => {
  if (process.send) process.send({ text, remote: socket.remoteAddress });
  else console.log("child heard", text);
  socket.end("from the child");
});
socket.on("close", () => process.disconnect?.());
