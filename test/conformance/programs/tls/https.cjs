// https: servers, agents, errors, and what a request says of its socket.
const https = require("node:https");
const tls = require("node:tls");
const { collect, listen, once, track } = require("../../observe.cjs");
const { certificates, serverOptions } = require("./_peers.cjs");

(async () => {
  const log = track("all");
  let connections = 0;
  const server = https.createServer(serverOptions, async (request, response) => {
    const { socket } = request;
    response.end(
      `${request.method} ${request.url} ${socket.encrypted} ${socket.getProtocol()} ${socket.servername} ${await collect(request)}`,
    );
  });
  server.on("secureConnection", () => connections++);
  log("server", server instanceof tls.Server);
  const port = await listen(server, "port");
  const agent = new https.Agent({ keepAlive: true, ca: certificates.ca });
  for (const options of [
    { method: "GET", path: "/one", host: "localhost" },
    { method: "POST", path: "/two", host: "localhost" },
    { method: "GET", path: "/three", host: "127.0.0.1" },
  ]) {
    const request = https.request({ port, agent, ...options });
    request.end(options.method === "POST" ? "body" : undefined);
    const [response] = await once(request, "response");
    log(
      "answer",
      response.statusCode,
      await collect(response),
      response.socket.authorized,
      request.reusedSocket,
      connections,
    );
    await new Promise(setImmediate);
  }
  agent.destroy();
  const [byUrl] = await once(
    https.get(`https://localhost:${port}/url`, { ca: certificates.ca, agent: false }),
    "response",
  );
  log("by url", await collect(byUrl));
  for (const options of [
    {},
    { ca: certificates.ca, servername: "wrong.example" },
    { rejectUnauthorized: false },
  ]) {
    const request = https.get({ port, host: "127.0.0.1", agent: false, ...options });
    await new Promise((resolve) => {
      request.on("error", (error) => {
        log("error", error.code, error.message);
        resolve();
      });
      request.on("response", async (response) => {
        log(
          "answer",
          await collect(response),
          response.socket.authorized,
          response.socket.authorizationError,
        );
        resolve();
      });
    });
  }
  const signal = AbortSignal.timeout(20);
  const silent = https.createServer(serverOptions, () => {});
  const other = await listen(silent, "silent", "127.0.0.1");
  const aborted = https.get({
    port: other,
    host: "127.0.0.1",
    ca: certificates.ca,
    signal,
    agent: false,
  });
  log("aborted", (await once(aborted, "error"))[0].name);
  silent.close();
  silent.closeAllConnections();
  server.close(() => log("closed"));
  server.closeAllConnections();
})();
