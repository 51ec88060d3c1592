// Worker threads that fetch from a server in the main thread, at once; terminate with open sockets.
const http = require("node:http");
const { Worker } = require("node:worker_threads");
const { listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = http.createServer((request, response) => {
    if (request.url !== "/hang") response.end(`answer to ${request.url}`);
  });
  const port = await listen(server, "port", "127.0.0.1");
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    fetch("http://127.0.0.1:" + workerData.port + workerData.path)
      .then((response) => response.text())
      .then((text) => parentPort.postMessage(text), (error) => parentPort.postMessage(error.cause.code));`;
  const start = (path, at = port) =>
    new Worker(code, { eval: true, workerData: { port: at, path } });
  const answers = await Promise.all(
    ["/a", "/b"].map(async (path) => (await once(start(path), "message"))[0]),
  );
  log("answers", answers);
  const requested = once(server, "request");
  const hanging = start("/hang");
  const [request] = await requested;
  const closed = once(request.socket, "close");
  log("terminated", await hanging.terminate());
  await closed;
  server.close();
  server.closeAllConnections();
})();
