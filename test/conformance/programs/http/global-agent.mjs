// The global agent: keep-alive by default, ended by an idle server; Connection: close.
import http, { get } from "node:http";
import { collect, listen, once, track } from "../../observe.cjs";

const log = track("all");
let connections = 0;
const server = http.createServer((request, response) => response.end(request.headers.connection));
server.on("connection", () => connections++);
const port = await listen(server, "port");
for (let i = 0; i < 3; i++) {
  const [response] = await once(get(`http://localhost:${port}/${i}`), "response");
  log(
    "answer",
    (await collect(response)).toString(),
    response.headers.connection,
    response.headers["keep-alive"],
  );
  await new Promise(setImmediate);
}
log("connections", connections);
const [closing] = await once(
  get(`http://127.0.0.1:${port}`, { headers: { Connection: "close" } }),
  "response",
);
log("close", (await collect(closing)).toString(), closing.headers.connection);
const [plain] = await once(get({ port, agent: false }), "response");
log("no agent", (await collect(plain)).toString(), plain.headers.connection);
log("connections", connections, http.globalAgent.keepAlive);
server.close(() => log("closed"));
server.closeIdleConnections();
