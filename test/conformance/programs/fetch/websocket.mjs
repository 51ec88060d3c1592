// conformance: node>=22
// The global WebSocket against a server of the package ws.
import { WebSocketServer } from "ws";
import { port as named, once, track } from "../../observe.cjs";

const log = track("client");
const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
await once(server, "listening");
const port = named(server.address().port, "port");
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(binary ? data : `echo ${data}`, { binary }));
});
const socket = new WebSocket(`ws://127.0.0.1:${port}/path`);
for (const event of ["open", "close", "error"]) {
  socket.addEventListener(event, (given) => log(event, given.code, given.wasClean));
}
socket.addEventListener("message", async ({ data }) => {
  log("message", typeof data === "string" ? data : data.size);
  if (data === "echo text") socket.send(new Uint8Array(1000));
  else socket.close(1000, "done");
});
socket.addEventListener("open", () => socket.send("text"));
await new Promise((resolve) => socket.addEventListener("close", resolve));
server.close();
