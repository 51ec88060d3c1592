// 32 connections with keep-alive, 600 requests; every answer belongs to its question.
import http from "node:http";
import { collect, listen, once, track } from "../../observe.cjs";

const log = track("all");
const server = http.createServer(async (request, response) => {
  const body = await collect(request);
  response.end(`${request.url} ${body.length}`);
});
let connections = 0;
server.on("connection", () => connections++);
const port = await listen(server, "port", "127.0.0.1");
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
let right = 0;
await Promise.all(
  Array.from({ length: 600 }, async (_, i) => {
    const request = http.request({ port, host: "127.0.0.1", method: "POST", path: `/${i}`, agent });
    request.end("x".repeat(i * 37));
    const [response] = await once(request, "response");
    if ((await collect(response)).toString() === `/${i} ${i * 37}`) right++;
  }),
);
log("right", right, "connections", connections);
agent.destroy();
server.close();
