// Reading by async iteration, by "readable" and read(n), with setEncoding cut inside a character.
import net from "node:net";
import { listen, once, track } from "../../observe.cjs";

const log = track("all");
const text = "grün 漢字 🙂 ".repeat(1000);
const server = net.createServer((socket) => {
  const bytes = Buffer.from(text);
  socket.write(bytes.subarray(0, 3));
  setImmediate(() => socket.end(bytes.subarray(3)));
  socket.resume();
  // Who leaves in the middle resets what it did not read.
  socket.on("error", () => {});
});
const port = await listen(server, "port", "127.0.0.1");

let seen = "";
const iterated = net.connect(port, "127.0.0.1");
iterated.setEncoding("utf8");
for await (const part of iterated) {
  seen += part;
}
log("iterated", seen === text, iterated.destroyed, iterated.readableEncoding);

const read = net.connect(port, "127.0.0.1");
let bytes = 0;
let small = 0;
read.on("readable", () => {
  for (let part = read.read(7); part !== null; part = read.read(7)) {
    bytes += part.length;
    if (part.length < 7) small++;
  }
});
await once(read, "end");
log("read", bytes === Buffer.byteLength(text), small <= 1);

const left = net.connect(port, "127.0.0.1");
left.on("close", (hadError) => log("closed", hadError));
for await (const part of left) {
  log("first part", part.length > 0);
  break;
}
log("left", left.destroyed);
server.close();
