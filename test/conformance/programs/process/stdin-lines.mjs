// conformance: stdin "one\ntwo\nthree\n"
// Lines of standard input by readline, each sent through a socket.

import { once } from "node:events";
import net from "node:net";
import { createInterface } from "node:readline";

const server = net.createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
await once(server, "listening");
const socket = net.connect(server.address().port, "127.0.0.1");
for await (const line of createInterface({ input: process.stdin })) {
  socket.write(`${line}!`);
  const [data] = await once(socket, "data");
  console.log(data.toString(), process.stdin.isTTY);
}
socket.end();
server.close();
