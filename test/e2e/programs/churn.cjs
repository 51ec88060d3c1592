// Opens connections to another guest without end, sends and closes in many ways, and counts. Told
// to stop, it opens no more and waits until every connection has ended.
const net = require("node:net");

const [host, seed] = process.argv.slice(2);
const PORT = 3000;
const say = (record) => console.log(JSON.stringify(record));
/** Errors that an agent's death or a peer's reset may bring. */
const EXPECTED = new Set(["ECONNRESET", "EPIPE", "ENETDOWN", "ECONNREFUSED", "ENOTFOUND"]);

let state = Number(seed) >>> 0;
function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

const open = new Set();
let stopping = false;
let wrong = 0;
let done = 0;

function hold(socket) {
  open.add(socket);
  socket.on("error", ({ code }) => {
    if (EXPECTED.has(code) || code?.startsWith("EAI")) return;
    wrong++;
    say({ event: "wrong", code });
  });
  socket.on("close", () => {
    open.delete(socket);
    finish();
  });
}

const server = net.createServer((socket) => {
  hold(socket);
  socket.on("data", (data) => socket.write(data));
});

function connect() {
  if (stopping) return;
  const socket = net.connect(PORT, host);
  hold(socket);
  const text = `${random(2 ** 31)}`.repeat(1 + random(200));
  let back = "";
  socket.on("connect", () => {
    if (random(8) === 0) socket.destroy();
    else socket.write(text);
  });
  socket.on("data", (data) => {
    back += data;
    if (!text.startsWith(back)) {
      wrong++;
      say({ event: "wrong", back, text });
    }
    if (back.length < text.length) return;
    if (random(3) === 0) socket.resetAndDestroy();
    else socket.end();
  });
  socket.on("close", () => {
    if (++done % 20 === 0) say({ event: "done", done });
    setTimeout(connect, random(5));
  });
}

function finish() {
  if (!stopping || open.size > 0) return;
  say({ event: "stopped", open: open.size, wrong });
  process.exit(0);
}

process.stdin.on("data", () => {
  stopping = true;
  server.close();
  finish();
});
server.listen(PORT, () => {
  say({ event: "listening" });
  for (let n = 0; n < 10; n++) connect();
});
