// Servers that name themselves on every connection, and a client that counts who answered where.
const net = require("node:net");

const [role, ...words] = process.argv.slice(2);
const say = (record) => console.log(JSON.stringify(record));

function serve(name, port) {
  const server = net.createServer((socket) => {
    const own = `${name} ${socket.remotePort}\n`;
    socket.on("data", (data) => socket.write(`${own}${data}`));
    socket.on("error", (error) => say({ event: "error", code: error.code }));
  });
  server.listen(port, () => say({ event: "listening", port }));
}

/** Opens `count` connections, `width` at a time under way, and holds all. */
async function connect(servers, count, width) {
  const locals = new Map();
  const sockets = [];
  let crossed = 0;
  let next = 0;
  const one = async () => {
    const [host, port] = servers[next % servers.length];
    const token = String(next++);
    const socket = net.connect(port, host);
    sockets.push(socket);
    await new Promise((resolve, reject) => {
      let text = "";
      socket.on("error", reject);
      socket.on("connect", () => socket.write(token));
      socket.on("data", (data) => {
        text += data;
        if (!text.endsWith(`\n${token}`)) return;
        if (text !== `${host} ${socket.localPort}\n${token}`) crossed++;
        locals.set(socket.localPort, (locals.get(socket.localPort) ?? 0) + 1);
        resolve();
      });
    });
  };
  const lane = async () => {
    while (next < count) await one();
  };
  await Promise.all(Array.from({ length: width }, lane));
  const shared = [...locals.values()].filter((n) => n > 1).length;
  say({ event: "named", connections: sockets.length, crossed, shared });
}

if (role === "serve") serve(words[0], Number(words[1]));
else {
  const [servers, count, width] = words;
  const list = servers.split(",").map((server) => server.split(":"));
  connect(list, Number(count), Number(width)).catch((error) =>
    say({ event: "failed", message: error.message }),
  );
}
