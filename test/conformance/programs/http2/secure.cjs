// http2 over TLS with ALPN, http/1.1 beside it, the compatibility API.
const http2 = require("node:http2");
const https = require("node:https");
const { collect, listen, once, track } = require("../../observe.cjs");
const { ca, localhost } = require("../../certificates.cjs");

(async () => {
  const log = track("all");
  const server = http2.createSecureServer(
    { ...localhost, allowHTTP1: true },
    async (request, response) => {
      const body = await collect(request);
      response.setHeader("x-version", request.httpVersion);
      response.end(
        `${request.method} ${request.url} ${request.httpVersion} ${body} ${request.socket.encrypted}`,
      );
    },
  );
  const port = await listen(server, "port");
  const client = http2.connect(`https://localhost:${port}`, { ca });
  await once(client, "connect");
  log(
    "session",
    client.encrypted,
    client.alpnProtocol,
    client.socket.authorized,
    client.socket.getProtocol(),
  );
  const answers = await Promise.all(
    ["GET", "POST", "PUT"].map(async (method) => {
      const stream = client.request({ ":method": method, ":path": `/${method}` });
      stream.end(method === "GET" ? undefined : "body");
      const [headers] = await once(stream, "response");
      return [headers[":status"], headers["x-version"], (await collect(stream)).toString()];
    }),
  );
  log("answers", answers);
  client.close();
  await once(client, "close");
  const [old] = await once(https.get({ port, host: "localhost", ca, agent: false }), "response");
  log("1.1", old.httpVersion, await collect(old));
  const stranger = http2.connect(`https://localhost:${port}`);
  log("stranger", (await once(stranger, "error"))[0].code);
  server.close();
})();
