/**
 * The answering side of every work: `server.js WORK PARAMETER PLACE`; the place is an address or
 * the path of a Unix socket. Says where it listens, ends with its input.
 */
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { say } from "./control.ts";
import { FrameCounter, FrameSender } from "./stream.ts";

const MESSAGE = 64;
/** A thousand connections at once wait to be accepted. */
const BACKLOG = 4096;
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
function receiveStream(socket: Socket, frame: number): void {
  const counter = new FrameCounter(frame, () => socket.write("."));
  socket.on("data", (chunk) => counter.add(chunk));
}

/** A request is the number of seconds to send for. */
function sendStream(socket: Socket, frame: number): void {
  const sender = new FrameSender(socket, frame);
  socket.on("data", (request) => sender.sendFor(request.readDoubleBE(0)));
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
  return createHttpServer({ keepAliveTimeout: 0 }, (_, response) => {
    response.setHeader("content-length", body.length);
    response.end(body);
  });
}

const SERVERS: Readonly<Record<string, (parameter: number) => Server>> = {
  "stream-up": (frame) => netServer((socket) => receiveStream(socket, frame)),
  "stream-down": (frame) => netServer((socket) => sendStream(socket, frame)),
  "ping-pong": () => netServer(answerMessages),
  connect: () => netServer(answerOnce),
  http: httpServer,
};

const [work = "", parameter = "0", place = "127.0.0.1"] = process.argv.slice(2);
const make = SERVERS[work];
if (make === undefined) throw new Error(`no work "${work}"`);
const server = make(Number(parameter));
const listen = place.includes("/") ? { path: place } : { host: place, port: 0 };
server.listen({ ...listen, backlog: BACKLOG }, () => {
  const address = server.address() as AddressInfo | string;
  say(typeof address === "string" ? { path: address } : { port: address.port });
});
process.stdin.on("end", () => process.exit(0)).resume();
