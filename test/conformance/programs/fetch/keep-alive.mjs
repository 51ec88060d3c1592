// fetch uses connections again; the program ends although they are still open.
import http from "node:http";
import { listen, track } from "../../observe.cjs";

const log = track("all");
let connections = 0;
const server = http.createServer((request, response) => response.end(request.headers.connection));
server.on("connection", () => connections++);
const port = await listen(server, "port");
for (let i = 0; i < 5; i++) {
  const response = await fetch(`http://localhost:${port}/${i}`);
  log("answer", await response.text(), response.headers.get("keep-alive"));
}
log("connections", connections);
server.close(() => log("closed"));
server.closeIdleConnections();
