// Zero-length writes, encodings, typed arrays, and what end() takes.
const net = require("node:net");
const { collect, listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = net.createServer({ allowHalfOpen: true }, async (socket) => {
    const bytes = await collect(socket);
    socket.end(bytes.toString("hex"));
  });
  const port = await listen(server, "port", "127.0.0.1");
  const send = async (name, use) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    use(socket);
    const answer = (await collect(socket)).toString();
    log(name, answer, socket.bytesWritten);
  };
  await send("nothing", (socket) => socket.end());
  await send("empty", (socket) => {
    log(
      "returns",
      socket.write("", () => log("empty written")),
    );
    log(
      "returns",
      socket.write(Buffer.alloc(0), () => log("empty buffer written")),
    );
    socket.end("");
  });
  await send("encodings", (socket) => {
    socket.write("é", "latin1");
    socket.write("é", "utf8");
    socket.write("é", "utf16le");
    socket.write("é", "ascii");
    socket.write("00ff", "hex");
    socket.write("AP8=", "base64");
    socket.write("AP8", "base64url");
    socket.end("é", "binary");
  });
  await send("default encoding", (socket) => {
    log("default", socket.setDefaultEncoding("latin1") === socket);
    socket.end("é");
  });
  await send("typed arrays", (socket) => {
    socket.write(new Uint8Array([1, 2]));
    socket.write(new Uint8Array([9, 3, 4, 9]).subarray(1, 3));
    for (const view of [new Uint16Array([0x0605]), new DataView(Uint8Array.of(7, 8).buffer)]) {
      try {
        socket.write(view);
      } catch (error) {
        log("throws", error);
      }
    }
    socket.end(Buffer.from("ff"));
  });
  await send("long strings", (socket) => {
    socket.write("ü".repeat(3));
    socket.end("x");
  });
  const socket = net.connect(port, "127.0.0.1").resume();
  socket.end("callback", "utf8", () => log("end callback", socket.bytesWritten));
  await once(socket, "close");
  server.close();
})();
