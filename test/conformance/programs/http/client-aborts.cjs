// The client goes away: destroy, AbortSignal, timeout; what the server sees.
const http = require("node:http");
const { listen, once, track, watch } = require("../../observe.cjs");

(async () => {
  const acts = {
    "1 destroy before response": (request, seen) => seen.then(() => request.destroy()),
    "2 destroy with an error": (request, seen) =>
      seen.then(() => request.destroy(new Error("mine"))),
    "3 abort": (request, seen) => seen.then(() => request.abort()),
    "4 signal": (_request, seen, control) => seen.then(() => control.abort()),
    "5 timeout": (request, seen) =>
      seen.then(() => request.setTimeout(20, () => request.destroy())),
    "6 at once": (request) => request.destroy(),
  };
  for (const [name, act] of Object.entries(acts)) {
    const log = track(`${name}: client`);
    const serving = track(`${name}: server`);
    let arrived;
    const seen = new Promise((resolve) => {
      arrived = resolve;
    });
    const server = http.createServer((request, response) => {
      watch(serving, request, ["aborted", "error", "end"]);
      request.resume();
      response.on("close", () => {
        serving(
          "response closed",
          response.writableEnded,
          response.writableFinished,
          request.aborted,
          request.destroyed,
        );
      });
      arrived();
    });
    server.keepAliveTimeout = 1000;
    const port = await listen(server, "port", "127.0.0.1");
    const control = new AbortController();
    const request = http.request({ port, host: "127.0.0.1", agent: false, signal: control.signal });
    watch(log, request, ["abort", "timeout", "response", "error", "close"]);
    request.end();
    act(request, seen, control);
    await once(request, "close");
    log("flags", request.destroyed, request.aborted);
    server.close();
    await once(server, "close");
  }
  const aborted = http.get({ port: 1, host: "127.0.0.1", signal: AbortSignal.abort() });
  const log = track("7 aborted before");
  watch(log, aborted, ["error", "close"]);
  await once(aborted, "close");
})();
