// Top-level await on the network, then the end by itself; one that never settles is code 13.

import { once } from "node:events";
import http, { get } from "node:http";

const server = http
  .createServer((_request, response) => response.end("answer"))
  .listen(0, "127.0.0.1");
await once(server, "listening");
const [response] = await once(
  get({ port: server.address().port, host: "127.0.0.1", agent: false }),
  "response",
);
for await (const part of response) console.log(part.toString());
server.close();
process.on("exit", (code) => console.log("exit", code));
await new Promise(() => {});
