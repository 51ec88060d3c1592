/**
 * The asking side of every work: `client.js WORK PARAMETER HOST PORT`, or the path of a Unix socket
 * for HOST. Opens its connections, says that it is ready, and takes a sample for every line on its
 * input.
 */

import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect, type Socket } from "node:net";
import { obey, type Place, type Sample, say } from "./control.ts";
import { FrameCounter, FrameSender } from "./stream.ts";

type Measure = (request: { readonly seconds: number }) => Promise<Sample>;

const MESSAGE = 64;
const message = Buffer.alloc(MESSAGE, "m");

/** A connection for the whole life of the program: that it ends is a failure. */
async function open(peer: Place): Promise<Socket> {
  const socket = connect({ ...peer, noDelay: true });
  await once(socket, "connect");
  socket.on("close", () => {
    throw new Error("the connection was closed");
  });
  return socket;
}

/** A sample of a stream of writes of one size. */
function streamed(bytes: number, frame: number, start: number): Sample {
  return { operations: bytes / frame, bytes, seconds: (performance.now() - start) / 1000 };
}

async function streamUp(peer: Place, frame: number): Promise<Measure> {
  const socket = await open(peer);
  const sender = new FrameSender(socket, frame);
  return async ({ seconds }) => {
    const before = socket.bytesWritten;
    const start = performance.now();
    sender.sendFor(seconds);
    await once(socket, "data");
    return streamed(socket.bytesWritten - before, frame, start);
  };
}

async function streamDown(peer: Place, frame: number): Promise<Measure> {
  const socket = await open(peer);
  let ended = (_bytes: number): void => {};
  const counter = new FrameCounter(frame, (bytes) => ended(bytes));
  socket.on("data", (chunk) => counter.add(chunk));
  return async ({ seconds }) => {
    const request = Buffer.alloc(8);
    request.writeDoubleBE(seconds);
    const start = performance.now();
    const end = new Promise<number>((resolve) => {
      ended = resolve;
    });
    socket.write(request);
    return streamed(await end, frame, start);
  };
}

/** A sample of operations that were timed one by one, in ms. */
function timed(times: number[], start: number): Sample {
  const seconds = (performance.now() - start) / 1000;
  const sorted = Float64Array.from(times).sort();
  const quantile = (q: number): number => (sorted[Math.floor(q * sorted.length)] ?? 0) * 1000;
  return { operations: times.length, seconds, p50: quantile(0.5), p99: quantile(0.99) };
}

async function pingPong(peer: Place): Promise<Measure> {
  const socket = await open(peer);
  let onData = (_chunk: Buffer): void => {};
  socket.on("data", (chunk) => onData(chunk));
  return ({ seconds }) =>
    new Promise((resolve) => {
      const times: number[] = [];
      const start = performance.now();
      const end = start + seconds * 1000;
      let sent = start;
      let received = 0;
      onData = (chunk) => {
        received += chunk.length;
        if (received < MESSAGE) return;
        received = 0;
        const now = performance.now();
        times.push(now - sent);
        if (now >= end) {
          resolve(timed(times, start));
          return;
        }
        sent = now;
        socket.write(message);
      };
      socket.write(message);
    });
}

/** Runs an operation again and again, that many at a time, and times each. */
async function repeat(
  operation: () => Promise<void>,
  atOnce: number,
  seconds: number,
): Promise<Sample> {
  const times: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const one = async (): Promise<void> => {
    let now = performance.now();
    do {
      await operation();
      const done = performance.now();
      times.push(done - now);
      now = done;
    } while (now < end);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return timed(times, start);
}

/** Connect, ask, read the answer to the server's end, close. */
function shortConnection(peer: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const socket = connect({ ...peer, noDelay: true }, () => socket.write(message));
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.on("error", reject);
    socket.on("close", () => {
      if (received === MESSAGE) resolve();
      else reject(new Error(`an answer of ${received} bytes`));
    });
  });
}

async function shortConnections(peer: Place): Promise<Measure> {
  return ({ seconds }) => repeat(() => shortConnection(peer), 1, seconds);
}

async function http(peer: Place, connections: number): Promise<Measure> {
  const target = "path" in peer ? { socketPath: peer.path } : peer;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const request = (): Promise<void> =>
    new Promise((resolve, reject) => {
      get({ ...target, path: "/", agent }, (response) => {
        response.on("end", resolve);
        response.resume();
      }).on("error", reject);
    });
  return ({ seconds }) => repeat(request, connections, seconds);
}

type Client = (peer: Place, parameter: number) => Promise<Measure>;

const CLIENTS: Readonly<Record<string, Client>> = {
  "stream-up": streamUp,
  "stream-down": streamDown,
  "ping-pong": pingPong,
  connect: shortConnections,
  http,
};

const [work = "", parameter = "0", name = "127.0.0.1", port = "0"] = process.argv.slice(2);
const client = CLIENTS[work];
if (client === undefined) throw new Error(`no work "${work}"`);
// The name is looked up once: the works measure connections, not the resolver.
const peer = name.includes("/")
  ? { path: name }
  : { host: (await lookup(name)).address, port: Number(port) };
obey(await client(peer, Number(parameter)));
say({ ready: true });
