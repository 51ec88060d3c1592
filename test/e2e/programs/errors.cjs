// Provokes each error of the network once and prints what Node says, as one JSON.
// Arguments: the cases to run, all by default.
const net = require("node:net");
const dgram = require("node:dgram");
const dns = require("node:dns");
const http = require("node:http");
const { once } = require("node:events");

const found = {};

function describe(error, port) {
  const { name, message, code, errno, syscall, address, hostname } = error;
  const text = port === undefined ? message : message.replaceAll(String(port), "PORT");
  const shown = error.port === port ? "PORT" : error.port;
  return { name, message: text, code, errno, syscall, address, port: shown, hostname };
}

function errorOf(emitter) {
  return new Promise((resolve) => emitter.once("error", resolve));
}

async function freePort(host) {
  const server = net.createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const cases = {
  async refused() {
    const port = await freePort("127.0.0.1");
    return describe(await errorOf(net.connect(port, "127.0.0.1")), port);
  },
  async refused6() {
    const port = await freePort("::1");
    return describe(await errorOf(net.connect(port, "::1")), port);
  },
  async refusedByName() {
    const port = await freePort("127.0.0.1");
    const error = await errorOf(net.connect({ port, host: "localhost", family: 4 }));
    return describe(error, port);
  },
  async refusedHttp() {
    const port = await freePort("127.0.0.1");
    return describe(await errorOf(http.get({ port, host: "127.0.0.1" })), port);
  },
  async refusedFetch() {
    const port = await freePort("127.0.0.1");
    const error = await fetch(`http://127.0.0.1:${port}/`).catch((e) => e);
    return { name: error.name, message: error.message, cause: describe(error.cause, port) };
  },
  async inUse() {
    const first = net.createServer().listen(0, "127.0.0.1");
    await once(first, "listening");
    const { port } = first.address();
    const error = describe(await errorOf(net.createServer().listen(port, "127.0.0.1")), port);
    first.close();
    return error;
  },
  async inUseWildcard() {
    const first = net.createServer().listen(0);
    await once(first, "listening");
    const { port } = first.address();
    const error = describe(await errorOf(net.createServer().listen(port, "127.0.0.1")), port);
    first.close();
    return error;
  },
  async inUseDatagram() {
    const first = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(first, "listening");
    const { port } = first.address();
    const second = dgram.createSocket("udp4");
    second.bind(port, "127.0.0.1");
    const error = describe(await errorOf(second), port);
    first.close();
    return error;
  },
  async notAvailable() {
    return describe(await errorOf(net.createServer().listen(0, "192.0.2.1")));
  },
  async notAvailable6() {
    return describe(await errorOf(net.createServer().listen(0, "2001:db8::1")));
  },
  async notAvailableDatagram() {
    const socket = dgram.createSocket("udp4");
    socket.bind(0, "192.0.2.1");
    return describe(await errorOf(socket));
  },
  async notAvailableLocal() {
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    const socket = net.connect({ port, host: "127.0.0.1", localAddress: "192.0.2.1" });
    const error = describe(await errorOf(socket), port);
    server.close();
    return error;
  },
  async reset() {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = net.connect(server.address().port, "127.0.0.1");
    socket.write("x");
    const error = describe(await errorOf(socket));
    server.close();
    return error;
  },
  async resetHttp() {
    const server = http.createServer((request) => request.socket.resetAndDestroy());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    const error = describe(await errorOf(http.get({ port, host: "127.0.0.1" })), port);
    server.close();
    return error;
  },
  async hangUpHttp() {
    const server = http.createServer((request) => request.socket.destroy());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    const error = describe(await errorOf(http.get({ port, host: "127.0.0.1" })), port);
    server.close();
    return error;
  },
  async writeAfterReset() {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = net.connect(server.address().port, "127.0.0.1");
    // Met by a read or by a write, as the kernel has it: ECONNRESET or EPIPE.
    const error = await new Promise((resolve) => {
      socket.on("error", resolve);
      const write = () => {
        if (!socket.destroyed) socket.write("x", () => setImmediate(write));
      };
      socket.once("connect", write);
    });
    server.close();
    return { reset: ["EPIPE", "ECONNRESET"].includes(error.code), destroyed: socket.destroyed };
  },
  async writeAfterFin() {
    const server = net.createServer((socket) => socket.end("bye")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = net.connect(server.address().port, "127.0.0.1");
    socket.resume();
    const failed = errorOf(socket);
    // This side has ended by then, and is not closed yet.
    socket.once("end", () => process.nextTick(() => process.nextTick(() => socket.write("x"))));
    const error = describe(await failed);
    server.close();
    return error;
  },
  async writeOnFin() {
    const server = net.createServer((socket) => {
      socket.end("bye");
      socket.on("data", (data) => server.emit("late", data.toString()));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const late = once(server, "late");
    const socket = net.connect(server.address().port, "127.0.0.1");
    socket.resume();
    socket.once("end", () => socket.write("from the end handler"));
    const [text] = await late;
    server.close();
    return { text };
  },
  async writeAfterEnd() {
    const server = net.createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = net.connect(server.address().port, "127.0.0.1");
    await once(socket, "connect");
    socket.end();
    socket.write("x");
    const error = describe(await errorOf(socket));
    server.close();
    return error;
  },
  async unknownHost() {
    return describe(await errorOf(net.connect(80, "no-such-host.invalid")));
  },
  async unknownHostLookup() {
    const error = await new Promise((resolve) => dns.lookup("no-such-host.invalid", resolve));
    return describe(error);
  },
  async unknownHostFetch() {
    const error = await fetch("http://no-such-host.invalid/").catch((e) => e);
    return { name: error.name, message: error.message, cause: describe(error.cause) };
  },
  async badPort() {
    try {
      net.connect(70_000, "127.0.0.1");
    } catch (error) {
      return describe(error);
    }
    return undefined;
  },
  async datagramTooLong() {
    const socket = dgram.createSocket("udp4");
    const error = await new Promise((resolve) => {
      socket.send(Buffer.alloc(70_000), 9, "127.0.0.1", resolve);
    });
    socket.close();
    return describe(error, 9);
  },
  async datagramRefused() {
    const receiver = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(receiver, "listening");
    const { port } = receiver.address();
    receiver.close();
    const socket = dgram.createSocket("udp4");
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    const failed = errorOf(socket);
    socket.send("x");
    const error = describe(await failed, port);
    socket.close();
    return error;
  },
  async timeOut() {
    // Only where nothing answers and nothing refuses: a black hole made for this test.
    if (process.env.BLACK_HOLE === undefined) return undefined;
    return describe(await errorOf(net.connect(9, process.env.BLACK_HOLE)));
  },
  async unreachable() {
    if (process.env.BLACK_HOLE === undefined) return undefined;
    return describe(await errorOf(net.connect(9, "203.0.113.9")));
  },
  async unreachable6() {
    if (process.env.BLACK_HOLE === undefined) return undefined;
    return describe(await errorOf(net.connect(9, "2001:db8::9")));
  },
  async unreachableBoth() {
    if (process.env.BLACK_HOLE === undefined) return undefined;
    const addresses = [
      { address: "2001:db8::9", family: 6 },
      { address: "203.0.113.9", family: 4 },
    ];
    const lookup = (_name, _options, callback) => callback(null, addresses);
    const options = { port: 9, host: "both.invalid", autoSelectFamily: true, lookup };
    const error = await errorOf(net.connect(options));
    return { code: error.code, name: error.name, errors: error.errors.map((e) => describe(e)) };
  },
};

async function main() {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases);
  for (const name of wanted) {
    found[name] = await cases[name]();
    if (process.env.PROGRESS) console.error(name);
  }
  console.log(JSON.stringify(found));
}

main();
