// readyState, pending, connecting, destroyed at each stage of a socket's life.
import net from "node:net";
import { listen, once, track } from "../../observe.cjs";

const log = track("client");
const state = (label, socket) =>
  log(label, {
    readyState: socket.readyState,
    pending: socket.pending,
    connecting: socket.connecting,
    destroyed: socket.destroyed,
    closed: socket.closed,
    readable: socket.readable,
    writable: socket.writable,
    readableEnded: socket.readableEnded,
    writableEnded: socket.writableEnded,
    writableFinished: socket.writableFinished,
  });

const server = net.createServer((socket) => {
  track("server")("accepted", socket.readyState, socket.pending, socket.connecting);
  socket.on("end", () => track("server")("end", socket.readyState));
  socket.resume();
});
const port = await listen(server, "port", "127.0.0.1");
const socket = new net.Socket();
state("new", socket);
socket.connect(port, "127.0.0.1");
state("connecting", socket);
await once(socket, "connect");
state("connected", socket);
socket.end();
state("after end()", socket);
await once(socket, "finish");
state("finished", socket);
socket.resume();
await once(socket, "end");
state("ended", socket);
await once(socket, "close");
state("closed", socket);
const other = net.connect(port, "127.0.0.1");
other.destroy();
state("destroyed while connecting", other);
await once(other, "close");
state("closed", other);
server.close();
