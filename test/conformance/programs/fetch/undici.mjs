// The package undici: request, Client with pipelining, Pool, stream, a dispatcher for fetch, errors.
import http from "node:http";
import net from "node:net";
import { Writable } from "node:stream";
import { Agent, Client, Pool, request, stream, fetch as undiciFetch } from "undici";
import { collect, fault, listen, once, track, watch } from "../../observe.cjs";

const log = track("all");
let connections = 0;
const server = http.createServer(async (incoming, response) => {
  const body = await collect(incoming);
  response.end(`${incoming.method} ${incoming.url} ${body}`);
});
server.on("connection", () => connections++);
const port = await listen(server, "port", "127.0.0.1");
const origin = `http://127.0.0.1:${port}`;

const { statusCode, headers, body } = await request(`${origin}/request`, {
  method: "POST",
  body: "x",
});
log("request", statusCode, headers["content-length"], await body.text());

const client = new Client(origin, { pipelining: 4 });
client.on("connect", () => log("client connect"));
client.on("disconnect", (_origin, _targets, error) =>
  log("client disconnect", error.code, error.message),
);
const before = connections;
const answers = await Promise.all(
  Array.from({ length: 8 }, async (_, i) =>
    (await client.request({ path: `/${i}`, method: "GET" })).body.text(),
  ),
);
log("pipelined", answers, connections - before);
await client.close();
log("closed", client.closed, client.destroyed);

const pool = new Pool(origin, { connections: 3 });
const start = connections;
const texts = await Promise.all(
  Array.from({ length: 20 }, async (_, i) =>
    (await pool.request({ path: `/${i}`, method: "PUT", body: `${i}` })).body.text(),
  ),
);
log(
  "pool",
  texts.every((text, i) => text === `PUT /${i} ${i}`),
  connections - start <= 3,
);
await pool.destroy();

let written = "";
await stream(
  `${origin}/stream`,
  { method: "GET", opaque: "o" },
  ({ statusCode: status, opaque }) => {
    log("stream", status, opaque);
    return new Writable({
      write(chunk, _encoding, done) {
        written += chunk;
        done();
      },
    });
  },
);
log("written", written);

const dispatcher = new Agent({ connect: { timeout: 1000 }, keepAliveTimeout: 10 });
log("fetch", await (await undiciFetch(`${origin}/fetch`, { dispatcher })).text());
await dispatcher.close();

const free = net.createServer();
const gone = await listen(free, "free", "127.0.0.1");
free.close();
await once(free, "close");
await request(`http://127.0.0.1:${gone}/`).catch((error) => log("refused", fault(error)));
const rude = net.createServer((socket) => socket.once("data", () => socket.end()));
const rudePort = await listen(rude, "rude", "127.0.0.1");
await request(`http://127.0.0.1:${rudePort}/`).catch((error) =>
  log("hung up", error.code, error.message),
);
watch(track("rude"), rude, ["close"]);
rude.close();
server.close();
server.closeAllConnections();
