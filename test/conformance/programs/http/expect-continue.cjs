// Expect: 100-continue: by default, with checkContinue, refused; other expectations; 1xx responses.
const http = require("node:http");
const { collect, listen, once, track, watch } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const run = async (name, server, headers = { Expect: "100-continue" }) => {
    const port = await listen(server, "port", "127.0.0.1");
    const request = http.request({
      port,
      host: "127.0.0.1",
      method: "POST",
      headers,
      agent: false,
    });
    watch(track(name), request, ["continue", "information"]);
    request.on("continue", () => request.end("the body"));
    request.flushHeaders();
    const [response] = await once(request, "response");
    track(name)("answer", response.statusCode, await collect(response));
    request.destroy();
    server.close();
  };
  const answer = async (request, response) => response.end(await collect(request));
  await run("1 default", http.createServer(answer));
  await run(
    "2 checked",
    http.createServer().on("checkContinue", (request, response) => {
      log("checkContinue", request.headers.expect);
      response.writeContinue();
      answer(request, response);
    }),
  );
  await run(
    "3 refused",
    http.createServer().on("checkContinue", (_request, response) => {
      response.writeHead(417, { Connection: "close" });
      response.end("no");
    }),
  );
  await run("4 other", http.createServer(answer), { Expect: "something" });
  await run(
    "5 information",
    http.createServer((_request, response) => {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      response.writeProcessing();
      response.end("after hints");
    }),
    {},
  );
})();
