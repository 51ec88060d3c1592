// Two programs that speak many protocols to each other: a server of all, and a client that says
// how each went, as one line of JSON.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { Worker } from "node:worker_threads";
import { Pool, request } from "undici";
import { WebSocket, WebSocketServer } from "ws";

const { key, cert, ca } = JSON.parse(process.env.CERTIFICATE);
const [role, host] = process.argv.slice(2);
const MIB = 1024 * 1024;
const BULK = 64 * MIB;
const PORTS = { bulk: 7001, http: 7002, https: 7003, echo: 7004 };

/** Writes bytes that no two places have alike, and gives their digest. */
async function pour(socket, seed) {
  const hash = createHash("sha256");
  const block = Buffer.alloc(MIB + 13);
  let left = BULK;
  for (let n = 0; left > 0; n++) {
    for (let at = 0; at + 4 <= block.length; at += 4) {
      block.writeUInt32LE((Math.imul(at + n, 2654435761) ^ seed) >>> 0, at);
    }
    const chunk = Buffer.from(block.subarray(0, Math.min(left, block.length)));
    left -= chunk.length;
    hash.update(chunk);
    if (!socket.write(chunk)) await once(socket, "drain");
  }
  socket.end();
  return hash.digest("hex");
}

async function digest(socket) {
  const hash = createHash("sha256");
  let bytes = 0;
  // Not `for await`, which destroys the socket at its end, with what is still to be written.
  socket.on("data", (chunk) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  await once(socket, "end");
  return `${bytes} ${hash.digest("hex")}`;
}

function serve() {
  const bulk = net.createServer({ allowHalfOpen: true }, async (socket) => {
    const [sent, got] = await Promise.all([pour(socket, 1), digest(socket)]);
    console.log(JSON.stringify({ event: "bulk", sent, got }));
  });
  const answer = async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    response.end(`${request.method} ${request.url} ${body}`);
  };
  const web = http.createServer(answer);
  new WebSocketServer({ server: web }).on("connection", (socket) =>
    socket.on("message", (data, binary) => socket.send(data, { binary })),
  );
  const servers = {
    bulk,
    http: web,
    https: https.createServer({ key, cert }, answer),
    echo: net.createServer((socket) => socket.pipe(socket)),
  };
  let left = Object.keys(servers).length;
  for (const [name, server] of Object.entries(servers)) {
    server.listen(PORTS[name], () => {
      if (--left === 0) console.log(JSON.stringify({ event: "listening" }));
    });
  }
}

async function bulk() {
  const socket = net.connect({ port: PORTS.bulk, host, allowHalfOpen: true });
  await once(socket, "connect");
  const [sent, got] = await Promise.all([pour(socket, 2), digest(socket)]);
  const { bytesRead, bytesWritten } = socket;
  return { sent, got, bytesRead, bytesWritten };
}

async function keepAlive() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  const bodies = [];
  for (let n = 0; n < 50; n++) {
    const sending = http.request({ host, port: PORTS.http, path: `/${n}`, method: "POST", agent });
    sending.end(`body ${n}`);
    const [response] = await once(sending, "response");
    ports.add(response.socket.localPort);
    let body = "";
    for await (const chunk of response) body += chunk;
    bodies.push(body);
  }
  agent.destroy();
  const right = bodies.every((body, n) => body === `POST /${n} body ${n}`);
  return { right, sockets: ports.size };
}

async function webSocket() {
  const socket = new WebSocket(`ws://${host}:${PORTS.http}`);
  await once(socket, "open");
  const large = Buffer.alloc(MIB, 3);
  const back = [];
  socket.on("message", (data) => back.push(data));
  for (let n = 0; n < 20; n++) socket.send(`message ${n}`);
  socket.send(large);
  while (back.length < 21) await once(socket, "message");
  socket.close();
  await once(socket, "close");
  const texts = back.slice(0, 20).map(String);
  return { right: texts.every((t, n) => t === `message ${n}`), large: large.equals(back[20]) };
}

async function undici() {
  const pool = new Pool(`http://${host}:${PORTS.http}`, { connections: 4, pipelining: 1 });
  const bodies = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const { body } = await request(`http://${host}:${PORTS.http}/${n}`, { dispatcher: pool });
      return body.text();
    }),
  );
  await pool.close();
  const fetched = await (await fetch(`http://${host}:${PORTS.http}/fetched`)).text();
  return { right: bodies.every((body, n) => body === `GET /${n} `), fetched };
}

async function tls() {
  const options = { host, port: PORTS.https, path: "/secret", ca, servername: "localhost" };
  const [response] = await once(https.get({ ...options, agent: false }), "response");
  const { authorized } = response.socket;
  let body = "";
  for await (const chunk of response) body += chunk;
  return { authorized, body };
}

const ECHO = `
const socket = require("node:net").connect(${PORTS.echo}, ${JSON.stringify(host ?? "")});
socket.on("data", (data) => { tell(String(data)); socket.end(); });
socket.write("from ", () => socket.write(who));
`;

async function worker() {
  const code = `const who = "a worker"; const tell = (t) => require("node:worker_threads").parentPort.postMessage(t);${ECHO}`;
  const thread = new Worker(code, { eval: true });
  let text = "";
  thread.on("message", (part) => {
    text += part;
  });
  await once(thread, "exit");
  return text;
}

async function child() {
  const code = `const who = "a child"; const tell = (t) => process.stdout.write(t);${ECHO}`;
  const process_ = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  process_.stdout.on("data", (part) => {
    text += part;
  });
  await once(process_, "close");
  return text;
}

if (role === "serve") serve();
else {
  for (const part of [bulk, keepAlive, webSocket, undici, tls, worker, child]) {
    console.log(JSON.stringify({ event: part.name, ...wrap(await part()) }));
  }
  console.log(JSON.stringify({ event: "done" }));
  // Goes on, so that its counters can be read.
  process.stdin.resume();
}

function wrap(value) {
  return typeof value === "string" ? { text: value } : value;
}
