// Callbacks of writes come in the order of the writes, then finish; writes before connect count too.
const net = require("node:net");
const { listen, track } = require("../../observe.cjs");

const server = net.createServer((socket) => {
  let got = "";
  socket.on("data", (data) => {
    got += data;
  });
  socket.on("end", () => {
    track("server")("got", got);
    server.close();
  });
});
listen(server, "port", "127.0.0.1").then((port) => {
  const log = track("client");
  const socket = net.connect(port, "127.0.0.1");
  log(
    "write returns",
    socket.write("a", () => log("a written")),
  );
  log(
    "write returns",
    socket.write("b", () => log("b written")),
  );
  log("bytes", socket.bytesWritten, socket.writableLength, socket.bufferSize);
  socket.on("connect", () => {
    log("connect", socket.bytesWritten);
    for (const text of ["c", "d", ""]) socket.write(text, (error) => log(`${text} written`, error));
    socket.write(Buffer.from("e"), () => {
      log("e written", socket.writableLength);
      socket.end("f", () => log("end callback", socket.bytesWritten));
    });
  });
  socket.on("finish", () => log("finish"));
  socket.on("close", () => log("close", socket.bytesWritten, socket.bytesRead));
});
