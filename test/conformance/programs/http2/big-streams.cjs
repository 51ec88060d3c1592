// Four streams of 4 MB each way at once over one session; flow control holds.
const http2 = require("node:http2");
const { collect, digest, listen, pattern, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = http2.createServer();
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  const port = await listen(server, "port", "127.0.0.1");
  const client = http2.connect(`http://127.0.0.1:${port}`);
  const same = await Promise.all(
    [1, 2, 3, 4].map(async (seed) => {
      const bytes = pattern(4_000_000, seed);
      const stream = client.request({ ":method": "POST", ":path": "/" });
      stream.end(bytes);
      return digest(await collect(stream)) === digest(bytes);
    }),
  );
  log("same", same);
  client.close();
  server.close();
})();
