// express 5: routes, JSON, parameters, errors, static files, listen.
const http = require("node:http");
const express = require("express");
const { collect, once, port: named, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const app = express();
  app.use(express.json());
  app.get("/hello/:name", (request, response) => {
    response.json({
      hello: request.params.name,
      ip: request.ip,
      query: request.query,
      secure: request.secure,
    });
  });
  app.post("/sum", (request, response) =>
    response.send(String(request.body.numbers.reduce((a, b) => a + b, 0))),
  );
  app.get("/throws", async () => {
    throw new Error("thrown in a handler");
  });
  app.use("/static", express.static(__dirname));
  app.use((error, _request, response, _next) => response.status(500).send(error.message));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = named(server.address().port, "port");
  const ask = async (method, path, body) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const request = http.request({ port, host: "127.0.0.1", method, path, headers, agent: false });
    request.end(body);
    const [response] = await once(request, "response");
    const text = (await collect(response)).toString();
    log(
      `${method} ${path}`,
      response.statusCode,
      response.headers["content-type"],
      text.slice(0, 60),
    );
  };
  await ask("GET", "/hello/world?a=1&b=2");
  await ask("POST", "/sum", JSON.stringify({ numbers: [1, 2, 3] }));
  await ask("POST", "/sum", "{not json");
  await ask("GET", "/throws");
  await ask("GET", "/static/express.cjs");
  await ask("GET", "/missing");
  server.close(() => log("closed"));
})();
