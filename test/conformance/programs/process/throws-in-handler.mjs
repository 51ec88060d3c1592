// An error in the handler of a request, in a program of modules.
import http from "node:http";

const server = http.createServer(() => {
  console.log("request");
  throw new TypeError("thrown in a handler");
});
server.listen(0, "127.0.0.1", () => {
  http.get({ port: server.address().port, host: "127.0.0.1" }).on("error", () => {});
});
