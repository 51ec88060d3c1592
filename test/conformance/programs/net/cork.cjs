// cork and uncork, before and after connecting; the order of callbacks.
const net = require("node:net");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer((socket) => {
    let got = "";
    socket.on("data", (data) => {
      got += data;
    });
    socket.on("end", () => track("server")("got", got));
  });
  const port = await listen(server, "port", "127.0.0.1");
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.cork();
  socket.cork();
  for (const part of ["a", Buffer.from("b"), new Uint8Array([99]), "64", "ü"]) {
    const encoding = part === "64" ? "hex" : undefined;
    log(
      "returns",
      socket.write(part, encoding, () => log("written", part)),
    );
  }
  log("corked", socket.writableCorked, socket.writableLength, socket.bytesWritten);
  socket.uncork();
  log("still", socket.writableCorked, socket.writableLength);
  process.nextTick(() => {
    socket.uncork();
    log("open", socket.writableCorked, socket.bytesWritten);
  });
  await new Promise((resolve) => socket.write("last", resolve));
  log("last", socket.bytesWritten);
  socket.cork();
  socket.write("never uncorked, ");
  socket.end("but ended", () => log("ended", socket.bytesWritten));
  await once(socket, "close");
  server.close();
})();
