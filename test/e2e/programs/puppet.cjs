// Does what lines of JSON on standard input say, and prints what its sockets do, one JSON a line.
const net = require("node:net");
const dgram = require("node:dgram");
const dns = require("node:dns");
const readline = require("node:readline");

const things = new Map();

function say(record) {
  console.log(JSON.stringify(record));
}

function failure(error) {
  const { code, errno, syscall, address, port, hostname, message } = error;
  return { code, errno, syscall, address, port, hostname, message };
}

function watch(id, socket, { echo, paused } = {}) {
  things.set(id, socket);
  let received = 0;
  if (!paused) {
    socket.on("data", (data) => {
      received += data.length;
      if (echo) socket.write(data);
      else say({ id, event: "data", text: data.toString() });
    });
  }
  socket.on("end", () => say({ id, event: "end", received }));
  socket.on("error", (error) => say({ id, event: "error", ...failure(error) }));
  socket.on("close", (hadError) => say({ id, event: "close", hadError }));
}

const commands = {
  connect({ id, host, port, echo, paused, ...options }) {
    const socket = net.connect({ host, port, ...options }, () => {
      say({ id, event: "connect", local: socket.localAddress, remote: socket.remoteAddress });
    });
    watch(id, socket, { echo, paused });
  },
  listen({ id, host, port, paused, silent, allowHalfOpen, ...options }) {
    let accepted = 0;
    const server = net.createServer({ pauseOnConnect: paused, allowHalfOpen }, (socket) => {
      const name = `${id}.${accepted++}`;
      say({ id, event: "connection", name, remote: socket.remoteAddress });
      watch(name, socket, { echo: !silent, paused });
    });
    things.set(id, server);
    server.on("error", (error) => say({ id, event: "error", ...failure(error) }));
    server.on("close", () => say({ id, event: "close" }));
    server.listen({ port, host, ...options }, () =>
      say({ id, event: "listening", ...server.address() }),
    );
  },
  udp({ id, port, address, send }) {
    const socket = dgram.createSocket("udp4");
    things.set(id, socket);
    socket.on("error", (error) => say({ id, event: "error", ...failure(error) }));
    socket.on("message", (data, from) => {
      say({ id, event: "message", text: data.toString() });
      if (!send) socket.send(data, from.port, from.address);
    });
    if (!send) {
      socket.bind(port, () => say({ id, event: "listening", ...socket.address() }));
      return;
    }
    socket.send(send, port, address, (error) => {
      say(error ? { id, event: "error", ...failure(error) } : { id, event: "sent" });
    });
  },
  lookup({ id, name }) {
    dns.lookup(name, (error, address) => {
      say(error ? { id, event: "error", ...failure(error) } : { id, event: "address", address });
    });
  },
  write({ id, text }) {
    things.get(id).write(text);
  },
  end({ id, text }) {
    things.get(id).end(text);
  },
  reset({ id }) {
    things.get(id).resetAndDestroy();
  },
  /** Reads to the end, saying nothing of the data. */
  resume({ id }) {
    things.get(id).resume();
  },
  /** Connects and closes before anything can have come of it. */
  touch({ id, host, port }) {
    const socket = net.connect({ host, port });
    socket.on("error", () => {});
    socket.on("close", () => say({ id, event: "touched" }));
    setImmediate(() => socket.destroy());
  },
  /** Writes until nothing goes on for some turns of the event loop; says how much was taken. */
  fill({ id, chunk }) {
    const socket = things.get(id);
    const data = Buffer.alloc(chunk, 7);
    let written = 0;
    while (socket.write(data)) written += data.length;
    written += data.length;
    say({ id, event: "full", written, waiting: socket.writableLength });
    socket.once("drain", () => say({ id, event: "drain", written }));
  },
  info({ id }) {
    const socket = things.get(id);
    const { bytesRead, bytesWritten, localAddress, localPort, remoteAddress, remotePort } = socket;
    const { readyState } = socket;
    const names = { localAddress, localPort, remoteAddress, remotePort };
    say({ id, event: "info", bytesRead, bytesWritten, readyState, ...names });
  },
  close({ id }) {
    const thing = things.get(id);
    if (thing instanceof net.Socket) thing.destroy();
    else thing.close();
  },
  exit({ code }) {
    process.exit(code);
  },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
say({ id: "", event: "ready", pid: process.pid });
