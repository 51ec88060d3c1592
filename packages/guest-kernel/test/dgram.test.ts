import native from "node:dgram";
import dns from "node:dns";
import { AF_INET, SO_RCVBUF, SOL_SOCKET } from "@outsock/abi";
import { expect, test } from "vitest";
import { makeDgram } from "../src/node-compat/dgram.ts";
import { TestGuest, until } from "./guest.ts";
import type { LoopbackDatagram } from "./loopback-family.ts";

type Dgram = typeof native;
type Log = (...entry: unknown[]) => void;
type Scenario = (dgram: Dgram, log: Log) => Promise<void> | void;

function guest(): { at: TestGuest; dgram: Dgram } {
  const at = new TestGuest();
  const lookup = (name: string, family: number, done: (...args: never[]) => void): void =>
    dns.lookup(name, family, done as never);
  return { at, dgram: { ...native, ...makeDgram(at.loop, native, lookup) } as Dgram };
}

/** An error as a plain value; ports, which differ between two runs, become P. */
function plain(value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message } = value;
    const own = Object.fromEntries(Object.entries(value).filter(([k]) => k !== "stack"));
    return plain({ name, message, ...own });
  }
  if (Buffer.isBuffer(value)) return value.toString();
  if (typeof value === "string") return value.replace(/:\d{4,5}\b/g, ":P");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [k, k === "port" && Number(v) > 1023 ? "P" : plain(v)]),
  );
}

async function trace(dgram: Dgram, scenario: Scenario): Promise<unknown[]> {
  const entries: unknown[] = [];
  await scenario(dgram, (...entry) => {
    entries.push(entry.map(plain));
  });
  return entries;
}

const once = (socket: native.Socket, event: string): Promise<void> =>
  new Promise((resolve) => {
    socket.once(event, () => resolve());
  });

function thrown(log: Log, name: string, run: () => unknown): void {
  try {
    log(name, "returned", run() === undefined);
  } catch (error) {
    log(name, error);
  }
}

const scenarios: Record<string, Scenario> = {
  async "bind, send, message, close: order"(dgram, log) {
    const server = dgram.createSocket("udp4");
    server.on("listening", () => log("listening", server.address()));
    server.on("message", (message, info) => log("message", message, info));
    server.on("close", () => log("close"));
    const returned = server.bind(0, "127.0.0.1", () => log("bind callback"));
    log("bound", returned === server);
    process.nextTick(() => log("tick"));
    await once(server, "listening");
    const client = dgram.createSocket("udp4");
    client.on("listening", () => log("client listening"));
    const { port } = server.address();
    const last = new Promise<void>((resolve) => {
      client.send("one", port, "127.0.0.1", (error, bytes) => log("sent", error, bytes));
      client.send(Buffer.from("xtwox"), 1, 3, port, "127.0.0.1");
      client.send([Buffer.from("th"), "ree"], port, "127.0.0.1", (e, n) => log("sent 3", e, n));
      client.send(new Uint16Array([0x6161]), port, () => log("sent 4"));
      server.on("message", (message) => {
        if (message.toString() === "end") resolve();
      });
      client.once("listening", () => setImmediate(() => client.send("end", port)));
    });
    log("queued");
    await last;
    client.close(() => log("client closed"));
    server.close();
    log("closing");
    await once(server, "close");
  },

  async "connect, send, disconnect"(dgram, log) {
    const server = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    const client = dgram.createSocket("udp4");
    thrown(log, "remoteAddress", () => client.remoteAddress());
    thrown(log, "disconnect", () => client.disconnect());
    client.on("connect", () => log("connect"));
    client.connect(port, "127.0.0.1", () => log("connect callback"));
    thrown(log, "connect again", () => client.connect(port));
    await once(client, "connect");
    log(client.remoteAddress());
    thrown(log, "send to", () => client.send("a", port, "127.0.0.1"));
    const got = once(server, "message");
    client.send("hello", (error, bytes) => log("sent", error, bytes));
    server.on("message", (message, info) => log("message", message, info));
    await got;
    client.disconnect();
    thrown(log, "remoteAddress", () => client.remoteAddress());
    thrown(log, "send unconnected", () => client.send("a"));
    client.close();
    server.close();
  },

  async "errors before bind and after close"(dgram, log) {
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
    thrown(log, "address", () => socket.address());
    thrown(log, "setBroadcast", () => socket.setBroadcast(true));
    thrown(log, "setTTL", () => socket.setTTL(16));
    thrown(log, "setTTL range", () => socket.setTTL(0));
    thrown(log, "setTTL type", () => socket.setTTL("1" as never));
    thrown(log, "setMulticastTTL", () => socket.setMulticastTTL(300));
    thrown(log, "setMulticastInterface", () => socket.setMulticastInterface("nonsense"));
    thrown(log, "setMulticastInterface", () => socket.setMulticastInterface("127.0.0.1"));
    thrown(log, "getRecvBufferSize", () => socket.getRecvBufferSize());
    thrown(log, "setSendBufferSize", () => socket.setSendBufferSize(2 ** 31));
    thrown(log, "setSendBufferSize", () => socket.setSendBufferSize(-1));
    thrown(log, "addMembership", () => socket.addMembership("nonsense"));
    thrown(log, "addMembership", () => socket.addMembership(undefined as never));
    socket.bind(0);
    thrown(log, "bind again", () => socket.bind(0));
    await once(socket, "listening");
    log(socket.getSendQueueSize?.(), socket.getSendQueueCount?.());
    log(socket.setTTL(16), socket.setMulticastTTL(4), socket.setMulticastLoopback(true));
    socket.close();
    for (const name of ["close", "address", "bind", "remoteAddress"] as const) {
      thrown(log, name, () => socket[name]());
    }
    thrown(log, "send", () => socket.send("a", 1000));
    log(socket.ref() === socket, socket.unref() === socket);
  },

  "bad arguments"(dgram, log) {
    thrown(log, "type", () => dgram.createSocket("tcp" as never));
    thrown(log, "options", () => dgram.createSocket({ type: "udp4", recvBufferSize: -1 }));
    thrown(log, "lookup", () => dgram.createSocket({ type: "udp4", lookup: 1 as never }));
    thrown(log, "signal", () => dgram.createSocket({ type: "udp4", signal: 1 as never }));
    thrown(log, "no new", () => Reflect.apply(dgram.Socket, undefined, ["udp4"]));
    const socket = dgram.createSocket("udp4");
    thrown(log, "port", () => socket.send("a", 0));
    thrown(log, "port", () => socket.send("a", 65536));
    thrown(log, "buffer", () => socket.send(23 as never, 1000));
    thrown(log, "list", () => socket.send([23] as never, 1000));
    thrown(log, "address", () => socket.send("a", 1000, 23 as never));
    thrown(log, "offset", () => socket.send(Buffer.alloc(2), 3, 1, 1000));
    thrown(log, "length", () => socket.send(Buffer.alloc(2), 1, 3, 1000));
    thrown(log, "connect", () => socket.connect(-1));
    socket.close();
  },

  async "address in use"(dgram, log) {
    const first = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(first, "listening");
    const second = dgram.createSocket("udp4");
    second.on("error", (error) => log("error", error));
    second.bind(first.address().port, "127.0.0.1", () => log("never"));
    await once(second, "error");
    second.bind(0, "127.0.0.1", () => log("bound after all"));
    await once(second, "listening");
    first.close();
    second.close();
  },

  async "a datagram too long"(dgram, log) {
    const socket = dgram.createSocket("udp4");
    await new Promise<void>((resolve) => {
      socket.send(Buffer.alloc(65508), 4000, "127.0.0.1", (error, bytes) => {
        log(error, bytes);
        resolve();
      });
    });
    socket.close();
  },

  async "nobody listens on the port of a connected socket"(dgram, log) {
    const gone = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(gone, "listening");
    const { port } = gone.address();
    gone.close();
    const socket = dgram.createSocket("udp4");
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", (error) => log("error", error));
    socket.send("a", (error, bytes) => log("sent", error, bytes));
    await once(socket, "error");
    socket.close();
  },

  async "names that do not resolve"(dgram, log) {
    const lookup = (name: string, _f: unknown, done: (error: Error) => void): void => {
      process.nextTick(done, Object.assign(new Error(`no ${name}`), { code: "ENOTFOUND" }));
    };
    const socket = dgram.createSocket({ type: "udp4", lookup: lookup as never });
    socket.on("error", (error) => log("error", error));
    socket.bind(0, "nosuch.example", () => log("never"));
    await once(socket, "error");
    socket.close();
  },

  async "an abort signal closes"(dgram, log) {
    const controller = new AbortController();
    const socket = dgram.createSocket({ type: "udp4", signal: controller.signal });
    socket.on("close", () => log("close"));
    socket.bind(0);
    await once(socket, "listening");
    controller.abort();
    thrown(log, "address", () => socket.address());
    await once(socket, "close");
    const aborted = dgram.createSocket({ type: "udp4", signal: AbortSignal.abort() });
    thrown(log, "aborted", () => aborted.bind(0));
  },

  async "closed while it binds, and closed with sends queued"(dgram, log) {
    const binding = dgram.createSocket("udp4").bind(0);
    binding.on("listening", () => log("never"));
    binding.close(() => log("closed binding"));
    const sending = dgram.createSocket("udp4");
    sending.on("listening", () => log("listening"));
    sending.send("a", 4000, "127.0.0.1", (error, bytes) => log("sent", error, bytes));
    sending.close(() => log("closed sending"));
    await once(sending, "close");
  },

  async "a class of one's own, an empty datagram, the shape"(dgram, log) {
    class Mine extends dgram.Socket {
      constructor() {
        super("udp4" as never, undefined as never);
      }
    }
    const socket = new Mine();
    log(socket instanceof dgram.Socket, socket instanceof Mine, socket.constructor === Mine);
    log(Object.keys(dgram.Socket.prototype).sort(), dgram.Socket.name, dgram.Socket.length);
    const plainSocket = dgram.createSocket("udp4");
    log(plainSocket.constructor === dgram.Socket, (plainSocket as { type?: string }).type);
    plainSocket.close();
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const got = once(socket, "message");
    socket.on("message", (message, info) => log(message.length, info));
    socket.send([], socket.address().port, "127.0.0.1");
    await got;
    socket.close();
    thrown(log, "fd", () => dgram.createSocket("udp4").bind({ fd: 2 ** 20 } as never));
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`as native: ${name}`, async () => {
    const expected = await trace(native, scenario);
    const { at, dgram } = guest();
    expect(await trace(dgram, scenario)).toEqual(expected);
    await until(() => at.held === 0);
    expect(Math.max(0, ...at.holds)).toBeLessThanOrEqual(2);
    expect([...at.network.bound]).toEqual([]);
  });
}

test("a socket over udp6 sees IPv4 peers as mapped", async () => {
  const { dgram } = guest();
  const server = dgram.createSocket("udp6").bind(5353);
  await once(server, "listening");
  expect(server.address()).toEqual({ address: "::", family: "IPv6", port: 5353 });
  const client = dgram.createSocket("udp4");
  const got = new Promise((resolve) => {
    server.on("message", (_message, info) => resolve(info));
  });
  client.send("a", 5353);
  expect(await got).toMatchObject({ address: "::ffff:127.0.0.1", family: "IPv6", size: 1 });
  client.close();
  server.close();
});

test("a ref'd bound socket holds the program once; unref releases", async () => {
  const { at, dgram } = guest();
  const socket = dgram.createSocket("udp4").bind(0);
  await once(socket, "listening");
  expect(at.held).toBe(1);
  socket.ref();
  expect(at.held).toBe(1);
  socket.unref().unref();
  expect(at.held).toBe(0);
  socket.ref();
  socket.close();
  expect(at.holds).toEqual([1, 0, 1, 0]);
});

test("sends wait in order while the kernel has no room, and tell when they are gone", async () => {
  const { at, dgram } = guest();
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  at.network.full = true;
  const told: unknown[] = [];
  for (const text of ["one", "three"]) {
    socket.send(text, 4000, "127.0.0.1", (error, bytes) => told.push([error, bytes]));
  }
  await until(() => socket.getSendQueueCount() === 2);
  expect(socket.getSendQueueSize()).toBe(8);
  expect(at.network.log).toEqual([]);
  at.network.drain();
  await until(() => told.length === 2);
  expect(told).toEqual([
    [null, 3],
    [null, 5],
  ]);
  expect(at.network.log.map(String)).toEqual(["one", "three"]);
  socket.close();
});

test("a socket that closes with sends waiting tells ECANCELED", async () => {
  const { at, dgram } = guest();
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  at.network.full = true;
  const told = new Promise<unknown>((resolve) => {
    socket.send("one", 4000, "127.0.0.1", resolve as never);
  });
  await until(() => socket.getSendQueueCount() === 1);
  socket.close();
  expect(await told).toMatchObject({ code: "ECANCELED", syscall: "send", port: 4000 });
  expect(at.held).toBe(0);
});

test("more datagrams than a batch all come, and ticks run between two of them", async () => {
  const { at, dgram } = guest();
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const seen: string[] = [];
  socket.on("message", (message) => {
    seen.push(`m${message.toString()}`);
    process.nextTick(() => seen.push(`t${message.toString()}`));
  });
  const file = at.network.made.at(-1) as LoopbackDatagram;
  const from = { family: AF_INET, address: "127.0.0.1", port: 9 };
  for (let i = 0; i < 100; i++) file.deliver(Buffer.from(String(i)), from);
  await until(() => seen.length === 200);
  expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => [`m${i}`, `t${i}`]).flat());
  socket.close();
});

test("buffer sizes of the options are set at bind", async () => {
  const { at, dgram } = guest();
  const socket = dgram.createSocket({ type: "udp4", recvBufferSize: 9000 }).bind(0);
  await once(socket, "listening");
  const file = at.network.made.at(-1) as LoopbackDatagram;
  expect(file.options.get(`${SOL_SOCKET}/${SO_RCVBUF}`)).toBe(9000);
  expect(socket.getRecvBufferSize()).toBe(9000);
  socket.setRecvBufferSize(10_000);
  expect(socket.getRecvBufferSize()).toBe(10_000);
  socket.close();
});

test("membership joins before bind; source-specific membership has an error with a code", async () => {
  const { dgram } = guest();
  const socket = dgram.createSocket("udp4");
  socket.addMembership("239.1.2.3", "127.0.0.1");
  socket.dropMembership("239.1.2.3");
  expect(() => socket.addSourceSpecificMembership("10.0.0.1", "232.1.1.1")).toThrow(
    expect.objectContaining({ code: "ENOTSUP", syscall: "addSourceSpecificMembership" }),
  );
  socket.close();
});
