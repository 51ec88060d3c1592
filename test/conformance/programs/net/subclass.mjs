// Subclasses of net.Socket and net.Server, instanceof, prototypes.

import { EventEmitter } from "node:events";
import net, { createServer, Server, Socket, Stream } from "node:net";
import { Duplex, Readable, Writable } from "node:stream";
import { listen, once, track } from "../../observe.cjs";

const log = track("all");
class Counting extends net.Socket {
  sent = 0;
  constructor(options) {
    super(options);
    this.own = true;
  }
  write(...args) {
    this.sent++;
    return super.write(...args);
  }
}
class Greeting extends net.Server {
  constructor() {
    super((socket) => socket.end(this.greeting));
    this.greeting = "greeting";
  }
}
const server = new Greeting();
const port = await listen(server, "port", "127.0.0.1");
const socket = new Counting({ allowHalfOpen: true });
log("connect returns itself", socket.connect({ port, host: "127.0.0.1" }) === socket);
socket.write("one");
log("data", (await once(socket, "data"))[0]);
socket.end();
await once(socket, "close");
log("subclass", socket.sent, socket.own, socket instanceof Counting, socket.constructor.name);
log(
  "instance",
  [net.Socket, Duplex, Readable, Writable, EventEmitter].map((type) => socket instanceof type),
);
log(
  "server",
  [Greeting, net.Server, EventEmitter].map((type) => server instanceof type),
);
log("not", {} instanceof net.Socket, new Duplex() instanceof net.Socket);
log(
  "same",
  Socket === net.Socket,
  Server === net.Server,
  Stream === net.Socket,
  createServer === net.createServer,
);
log("names", net.Socket.name, net.Server.name, net.createConnection === net.connect);
log(
  "created",
  net.createServer() instanceof Server,
  net.connect({ port, host: "127.0.0.1" }).destroy() instanceof Socket,
);
log("called without new", net.Socket() instanceof Socket, net.Server() instanceof Server);
log("keys of net", Object.keys(net).sort());

function Old(options) {
  net.Socket.call(this, options);
}
Object.setPrototypeOf(Old.prototype, net.Socket.prototype);
Object.setPrototypeOf(Old, net.Socket);
const old = new Old();
old.connect(port, "127.0.0.1");
log("old style", (await once(old, "data"))[0], old instanceof Old);
old.destroy();
server.close();
