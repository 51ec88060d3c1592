// Connections that say who is at their other end. `namesake.cjs serve NAME PORT` greets each
// connection with its name and answers each line with name and line; `namesake.cjs ask COUNT
// NAME:PORT...` opens COUNT connections in turn over the servers, keeps all of them open, and
// prints what did not come from whom it should.
const net = require("node:net");
const readline = require("node:readline");

const say = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);
const [role, ...words] = process.argv.slice(2);
const AT_ONCE = 64;

function serve(name, port) {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.write(`${name}\n`);
    readline.createInterface({ input: socket }).on("line", (line) => {
      socket.write(`${name} ${line} ${socket.remotePort}\n`);
    });
  });
  server.listen(Number(port), () => say({ event: "listening" }));
}

function ask(count, servers) {
  const ports = new Map();
  const crossed = [];
  const sockets = [];
  let started = 0;
  let settled = 0;

  function next() {
    if (started === count) return;
    const n = started++;
    const [name, port] = servers[n % servers.length].split(":");
    const socket = net.connect(Number(port), name);
    sockets.push(socket);
    const expected = [name];
    let seen = 0;
    readline.createInterface({ input: socket }).on("line", (line) => {
      if (seen === 0) {
        ports.set(socket.localPort, (ports.get(socket.localPort) ?? 0) + 1);
        expected.push(`${name} ${n} ${socket.localPort}`);
        socket.write(`${n}\n`);
      }
      if (line !== expected[seen]) crossed.push({ n, line, expected: expected[seen] });
      seen++;
      if (seen < 2) return;
      settled++;
      if (settled === count) done();
      next();
    });
    socket.on("error", (error) => {
      crossed.push({ n, code: error.code });
      settled++;
      if (settled === count) done();
      next();
    });
  }

  function done() {
    const shared = [...ports.values()].filter((uses) => uses > 1).length;
    say({ event: "done", settled, crossed: crossed.slice(0, 10), shared });
    for (const socket of sockets) socket.destroy();
  }
  for (let i = 0; i < AT_ONCE; i++) next();
}

if (role === "serve") serve(words[0], words[1]);
else ask(Number(words[0]), words.slice(1));
