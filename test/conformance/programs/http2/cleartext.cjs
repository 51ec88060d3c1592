// http2 without TLS: several streams at once, events, headers, bodies.
const http2 = require("node:http2");
const net = require("node:net");
const { collect, listen, once, track, watch } = require("../../observe.cjs");

(async () => {
  const serving = track("server");
  const server = http2.createServer();
  watch(serving, server, ["session", "close", "error"]);
  server.on("session", (session) => watch(serving, session, ["close", "error"]));
  server.on("stream", async (stream, headers) => {
    const log = track(`server stream ${headers[":path"]}`);
    log("headers", headers[":method"], headers[":path"], headers["x-own"], stream.id);
    watch(log, stream, ["end", "finish", "close", "error", "aborted"]);
    const body = await collect(stream);
    stream.respond({ ":status": 200, "x-length": String(body.length) });
    stream.write("answer to ");
    stream.end(headers[":path"]);
  });
  const port = await listen(server, "port", "127.0.0.1");
  const log = track("client");
  const client = http2.connect(`http://127.0.0.1:${port}`);
  watch(log, client, ["close", "error", "goaway"]);
  client.on("connect", (session, socket) =>
    log("connect", session === client, socket instanceof net.Socket),
  );
  await once(client, "connect");
  log(
    "session",
    client.type,
    client.encrypted,
    client.alpnProtocol,
    client.connecting,
    client.destroyed,
  );
  log("socket", client.socket.remoteAddress, client.socket.remotePort, client.originSet);
  const answers = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      const own = track(`client stream ${i}`);
      const stream = client.request({ ":method": "POST", ":path": `/${i}`, "x-own": `v${i}` });
      watch(own, stream, ["ready", "end", "finish", "close", "error"]);
      stream.end("x".repeat(i * 1000));
      const [headers] = await once(stream, "response");
      return [headers[":status"], headers["x-length"], (await collect(stream)).toString()];
    }),
  );
  log("answers", answers);
  client.close(() => log("close callback"));
  await once(client, "close");
  // Of a party of its own: whether the session or the server is told first is not promised.
  server.close(() => track("listener")("closed"));
})();
