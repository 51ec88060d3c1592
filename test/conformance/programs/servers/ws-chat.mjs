// ws: a chat of three clients over an http server, binary messages, ping, close codes, refusal.
import http from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { digest, listen, once, pattern, track } from "../../observe.cjs";

const serving = track("server");
const server = http.createServer((_request, response) => response.end("plain"));
const chat = new WebSocketServer({ noServer: true });
server.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  chat.handleUpgrade(request, socket, head, (client) => chat.emit("connection", client, request));
});
chat.on("connection", (client, request) => {
  const name = request.url.slice(1);
  client.on("message", (data, binary) => {
    for (const other of chat.clients) other.send(binary ? data : `${name}: ${data}`, { binary });
  });
  client.on("close", (code, reason) => track(`server ${name}`)("close", code, reason.toString()));
});
const port = await listen(server, "port", "127.0.0.1");
const names = ["ann", "bob", "cyd"];
const clients = [];
for (const name of names) {
  const client = new WebSocket(`ws://127.0.0.1:${port}/${name}`);
  await once(client, "open");
  clients.push(client);
}
serving("clients", chat.clients.size);
const everybody = (say) => {
  const heard = clients.map((client) => once(client, "message"));
  say();
  return Promise.all(heard);
};
for (const [i, client] of clients.entries()) {
  const heard = await everybody(() => client.send(`message ${i}`));
  serving(
    "heard",
    heard.map(([data]) => data.toString()),
  );
}
const big = pattern(300_000);
const heard = await everybody(() => clients[0].send(big));
serving(
  "big",
  heard.map(([data, binary]) => [binary, digest(data) === digest(big)]),
);
clients[1].ping("are you there");
serving("pong", (await once(clients[1], "pong"))[0]);
for (const [i, client] of clients.entries()) {
  const closed = once(client, "close");
  if (i === 2) client.terminate();
  else client.close(4000 + i, `bye ${i}`);
  const [code, reason] = await closed;
  track("clients")("close", code, reason.toString());
}
const refused = new WebSocket(`ws://127.0.0.1:${port}/refused`);
track("clients")("refused", (await once(refused, "error"))[0]);
server.close(() => serving("closed"));
