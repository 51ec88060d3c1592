// A socket as web streams, and as async iterables composed with stream.compose.
import net from "node:net";
import { Duplex, Readable } from "node:stream";
import { listen, once, track } from "../../observe.cjs";

const log = track("all");
const server = net.createServer((socket) => socket.pipe(socket));
const port = await listen(server, "port", "127.0.0.1");

const socket = net.connect(port, "127.0.0.1");
const { readable, writable } = Duplex.toWeb(socket);
const writer = writable.getWriter();
await writer.write(Buffer.from("over the web"));
await writer.close();
let got = "";
for await (const part of readable) got += Buffer.from(part);
log("got", got);

const other = net.connect(port, "127.0.0.1");
Readable.from(["a", "b", "c"]).pipe(other);
const parts = await other.setEncoding("utf8").toArray();
log("toArray", parts.join(""));
if (!other.closed) await once(other, "close");
server.close();
