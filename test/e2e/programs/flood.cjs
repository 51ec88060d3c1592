// flood.cjs read PORT: accepts and never reads. flood.cjs write HOST PORT: connects, writes without
// end as fast as `drain` allows, and prints how much the socket took.
const net = require("node:net");

const [how, ...rest] = process.argv.slice(2);
if (how === "read") {
  const server = net.createServer({ pauseOnConnect: true }, () => console.log("connection"));
  server.listen(Number(rest[0]), () => console.log("ready"));
} else {
  const block = Buffer.alloc(1024 * 1024, "x");
  const socket = net.connect(Number(rest[1]), rest[0], () => {
    const write = () => {
      while (socket.write(block));
      console.log(`waits after ${socket.bytesWritten}`);
    };
    socket.on("drain", write);
    write();
  });
}
