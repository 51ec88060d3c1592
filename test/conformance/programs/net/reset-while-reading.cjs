// A peer that resets in the middle of a transfer: error, close, and what iteration throws.
const net = require("node:net");
const { listen, once, pattern, track, watch } = require("../../observe.cjs");

(async () => {
  const server = net.createServer();
  const port = await listen(server, "port", "127.0.0.1");

  // Whether the read or the write hits the reset first is a race.
  const writer = watch(track("1 writer"), net.connect(port, "127.0.0.1"), ["connect", "close"]);
  const [peer] = await once(server, "connection");
  peer.on("data", () => peer.resetAndDestroy());
  const chunk = pattern(65536);
  let failures = 0;
  const write = () => {
    if (!writer.destroyed) writer.write(chunk, (error) => (error ? failures++ : write()));
  };
  writer.on("error", (error) => track("1 writer")("error", error.code));
  write();
  await once(writer, "close");
  await new Promise(setImmediate);
  track("1 writer")("callbacks with errors", failures <= 1);

  const reader = net.connect(port, "127.0.0.1");
  const [other] = await once(server, "connection");
  other.write("some", () => reader.once("readable", () => other.resetAndDestroy()));
  const log = track("2 reader");
  try {
    for await (const part of reader) log("part", part);
    log("ended");
  } catch (error) {
    log("thrown", error);
  }
  server.close();
})();
