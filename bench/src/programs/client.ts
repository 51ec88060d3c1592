/**
 * The asking side of every work: `client.js WORK HOST PORT`. Opens its connections, says that it
 * is ready, and takes a sample for every line on its input.
 */

import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect, type Socket } from "node:net";
import { obey, type Sample, say } from "./control.ts";
import { FrameCounter, sendFor } from "./stream.ts";

type Measure = (request: { readonly seconds: number }) => Promise<Sample>;

interface Peer {
  readonly host: string;
  readonly port: number;
}

const MESSAGE = 64;
const message = Buffer.alloc(MESSAGE, "m");

/** A connection for the whole life of the program: that it ends is a failure. */
async function open({ host, port }: Peer): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  socket.on("close", () => {
    throw new Error("the connection was closed");
  });
  return socket;
}

async function streamUp(peer: Peer): Promise<Measure> {
  const socket = await open(peer);
  return async ({ seconds }) => {
    const before = socket.bytesWritten;
    const start = performance.now();
    sendFor(socket, seconds);
    await once(socket, "data");
    return {
      operations: socket.bytesWritten - before,
      seconds: (performance.now() - start) / 1000,
    };
  };
}

async function streamDown(peer: Peer): Promise<Measure> {
  const socket = await open(peer);
  let ended = (_bytes: number): void => {};
  const counter = new FrameCounter((bytes) => ended(bytes));
  socket.on("data", (chunk) => counter.add(chunk));
  return async ({ seconds }) => {
    const request = Buffer.alloc(8);
    request.writeDoubleBE(seconds);
    const start = performance.now();
    const end = new Promise<number>((resolve) => {
      ended = resolve;
    });
    socket.write(request);
    const operations = await end;
    return { operations, seconds: (performance.now() - start) / 1000 };
  };
}

/** A sample of operations that were timed one by one, in ms. */
function timed(times: number[], start: number): Sample {
  const seconds = (performance.now() - start) / 1000;
  const sorted = Float64Array.from(times).sort();
  const quantile = (q: number): number => (sorted[Math.floor(q * sorted.length)] ?? 0) * 1000;
  return { operations: times.length, seconds, p50: quantile(0.5), p99: quantile(0.99) };
}

async function pingPong(peer: Peer): Promise<Measure> {
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
function shortConnection({ host, port }: Peer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const socket = connect({ host, port, noDelay: true }, () => socket.write(message));
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

async function shortConnections(peer: Peer): Promise<Measure> {
  return ({ seconds }) => repeat(() => shortConnection(peer), 1, seconds);
}

async function http(peer: Peer, connections: number): Promise<Measure> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const request = (): Promise<void> =>
    new Promise((resolve, reject) => {
      get({ ...peer, path: "/", agent }, (response) => {
        response.on("end", resolve);
        response.resume();
      }).on("error", reject);
    });
  return ({ seconds }) => repeat(request, connections, seconds);
}

const CLIENTS: Readonly<Record<string, (peer: Peer) => Promise<Measure>>> = {
  "stream-up": streamUp,
  "stream-down": streamDown,
  "ping-pong": pingPong,
  connect: shortConnections,
  "http-1": (peer) => http(peer, 1),
  "http-32": (peer) => http(peer, 32),
};

const [work = "", name = "127.0.0.1", port = "0"] = process.argv.slice(2);
const client = CLIENTS[work];
if (client === undefined) throw new Error(`no work "${work}"`);
// The name is looked up once: the works measure connections, not the resolver.
const { address } = await lookup(name);
obey(await client({ host: address, port: Number(port) }));
say({ ready: true });
