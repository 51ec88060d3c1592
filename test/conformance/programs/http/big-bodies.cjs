// Bodies of 20 MB both ways through pipelines, with a length and chunked.
const http = require("node:http");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { collect, digest, listen, once, pattern, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const bytes = pattern(20_000_000);
  const server = http.createServer((request, response) => {
    const length = request.headers["content-length"];
    if (length !== undefined) response.setHeader("Content-Length", length);
    pipeline(request, response).then(
      () => log("echoed", length),
      (error) => log("failed", error.code),
    );
  });
  const port = await listen(server, "port", "127.0.0.1");
  for (const headers of [{ "Content-Length": bytes.length }, {}]) {
    const request = http.request({
      port,
      host: "127.0.0.1",
      method: "POST",
      headers,
      agent: false,
    });
    const answered = once(request, "response").then(([response]) => collect(response));
    const parts = [];
    for (let at = 0; at < bytes.length; at += 300_000) parts.push(bytes.subarray(at, at + 300_000));
    await pipeline(Readable.from(parts), request);
    const answer = await answered;
    log("same", answer.length, digest(answer) === digest(bytes));
  }
  server.close();
})();
