// The client leaves in the middle of a response that never ends.
const http = require("node:http");
const { listen, once, pattern, track, watch } = require("../../observe.cjs");

(async () => {
  const serving = track("server");
  const chunk = pattern(50_000);
  const server = http.createServer((request, response) => {
    watch(serving, request, ["aborted"]);
    const write = () => {
      while (!response.destroyed && response.write(chunk)) {}
    };
    response.on("drain", write);
    response.on("error", (error) => serving("error", error.code));
    response.on("close", () => {
      serving("close", response.writableEnded, response.destroyed);
      serving(
        "write",
        response.write("late", (error) => serving("write callback", error?.code)),
      );
    });
    write();
  });
  const port = await listen(server, "port", "127.0.0.1");
  const log = track("client");
  const request = http.get({ port, host: "127.0.0.1", agent: false });
  const [response] = await once(request, "response");
  watch(log, response, ["aborted", "error", "end", "close"]);
  watch(log, request, ["error", "close"]);
  let received = 0;
  response.on("data", (data) => {
    received += data.length;
    if (received > 1_000_000 && !response.destroyed) response.destroy();
  });
  await once(request, "close");
  log("received enough", received > 1_000_000);
  server.close(() => serving("closed"));
})();
