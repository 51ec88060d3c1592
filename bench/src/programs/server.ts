/** The answering side of every work: `server.js WORK ADDRESS`. Says its port, ends with its input. */
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { say } from "./control.ts";
import { FrameCounter, sendFor } from "./stream.ts";

const MESSAGE = 64;
const answer = Buffer.alloc(MESSAGE, "a");
const body = Buffer.alloc(1024, "b");

function onMessage(socket: Socket, handle: () => void): void {
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
    if (received < MESSAGE) return;
    received = 0;
    handle();
  });
}

/** Bytes come; their end is acknowledged with one byte. */
function receiveStream(socket: Socket): void {
  const counter = new FrameCounter(() => socket.write("."));
  socket.on("data", (chunk) => counter.add(chunk));
}

/** A request is the number of seconds to send for. */
function sendStream(socket: Socket): void {
  socket.on("data", (request) => sendFor(socket, request.readDoubleBE(0)));
}

function answerMessages(socket: Socket): void {
  onMessage(socket, () => socket.write(answer));
}

function answerOnce(socket: Socket): void {
  onMessage(socket, () => socket.end(answer));
}

function netServer(serve: (socket: Socket) => void): Server {
  return createServer({ noDelay: true }, (socket) => {
    // The client that goes, goes: what it did not get is its own matter.
    socket.on("error", () => {});
    serve(socket);
  });
}

function httpServer(): Server {
  const server = createHttpServer({ keepAliveTimeout: 0 }, (_, response) => {
    response.setHeader("content-length", body.length);
    response.end(body);
  });
  return server;
}

const SERVERS: Readonly<Record<string, () => Server>> = {
  "stream-up": () => netServer(receiveStream),
  "stream-down": () => netServer(sendStream),
  "ping-pong": () => netServer(answerMessages),
  connect: () => netServer(answerOnce),
  "http-1": httpServer,
  "http-32": httpServer,
};

const [work = "", address = "127.0.0.1"] = process.argv.slice(2);
const make = SERVERS[work];
if (make === undefined) throw new Error(`no work "${work}"`);
const server = make();
server.listen(0, address, () => say({ port: (server.address() as AddressInfo).port }));
process.stdin.on("end", () => process.exit(0)).resume();
