// conformance: not-in outsourced a request whose body came with its head ends in the request's store, natively in none
// AsyncLocalStorage through http, with sockets that are used again.
const { AsyncLocalStorage } = require("node:async_hooks");
const http = require("node:http");
const { listen, once, track } = require("../../observe.cjs");

const storage = new AsyncLocalStorage();
const here = () => storage.getStore() ?? "none";
let requests = 0;
(async () => {
  const server = http.createServer((request, response) => {
    const name = `request ${++requests}`;
    const log = track(`server ${name}`);
    storage.run(name, () => {
      request.on("data", () => log("data", here()));
      request.on("end", async () => {
        log("end", here());
        await null;
        log("awaited", here());
        response.end("x", () => log("ended", here()));
      });
      response.on("finish", () => log("finish", here()));
      response.on("close", () => log("close", here()));
    });
  });
  const port = await listen(server, "port", "127.0.0.1");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (const name of ["a", "b"]) {
    const log = track(`client ${name}`);
    await storage.run(name, async () => {
      const request = http.request({ port, host: "127.0.0.1", method: "POST", agent });
      request.on("socket", () => log("socket", here()));
      request.on("finish", () => log("finish", here()));
      request.end("body");
      const [response] = await once(request, "response");
      log("response", here(), request.reusedSocket);
      response.on("data", () => log("data", here()));
      response.on("end", () => log("end", here()));
      await once(response, "close");
      log("close", here());
    });
  }
  agent.destroy();
  server.close();
})();
