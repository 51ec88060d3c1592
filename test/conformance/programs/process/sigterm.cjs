// conformance: signal SIGTERM
// A server that closes in an orderly way on SIGTERM.
const http = require("node:http");
const server = http.createServer((_request, response) => response.end("x"));
process.on("SIGTERM", (signal, number) => {
  console.log("got", signal, number);
  server.close(() => {
    console.log("closed");
    process.exitCode = 9;
  });
});
server.listen(0, "127.0.0.1", () => {
  http.get({ port: server.address().port, host: "127.0.0.1", agent: false }, (response) => {
    response.resume();
    response.on("end", () => console.log("ready"));
  });
});
