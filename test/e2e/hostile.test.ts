/** Guests that break the protocol, the handshake, or do not move: nobody else is harmed. */
import { createConnection, type Socket } from "node:net";
import { CCB, HEADER, OP, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import { PayloadWriter } from "@outsock/vrpc";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { HandGuest, HONEST, HONEST_2 } from "./hand-guest.ts";
import { listenPeer } from "./peer.ts";
import { alive, descriptors, mappedRegions } from "./proc.ts";
import type { TestProcess } from "./process.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, program, type Sandbox, sandbox } from "./sandbox.ts";
import { until } from "./wait.ts";

const SEED = Number(process.env.OUTSOCK_FUZZ_SEED ?? 20250611);
const RUNS = Number(process.env.OUTSOCK_FUZZ_RUNS ?? 150);

/** A guest whose echo connection must go on whatever others do. */
class Bystander {
  private readonly puppet: Puppet;
  private exchanges = 0;

  private constructor(puppet: Puppet) {
    this.puppet = puppet;
  }

  static async in(box: Sandbox): Promise<Bystander> {
    const peer = await listenPeer((socket) => socket.pipe(socket));
    const puppet = await guestPuppet(box, { options: ["--name", "bystander"] });
    await puppet.listen("server", 3000);
    await puppet.connect("client", "host.outsock", peer.port);
    return new Bystander(puppet);
  }

  async works(): Promise<void> {
    const text = `exchange ${++this.exchanges}`;
    this.puppet.do({ do: "write", id: "client", text });
    await until(text, () => this.puppet.events("client").some((event) => event.text === text));
  }
}

async function isWell(box: Sandbox, agent: TestProcess, bystander: Bystander): Promise<void> {
  expect(agent.outcome).toBeUndefined();
  await bystander.works();
  const status = await box.status();
  expect(status?.guests.some((guest) => guest.name === "bystander")).toBe(true);
}

/** What an agent said that should not have ended. */
async function lastWords(agent: TestProcess): Promise<string> {
  const { code, signal, stderr } = await agent.ended;
  return `the agent ended (${code ?? signal}): ${stderr.slice(-3000)}`;
}

/** Addresses of this machine alone: what a guest sends must not leave it. */
const endpoint = fc
  .record({
    address: fc.constantFrom("127.0.0.1", "127.77.0.1", "0.0.0.0", "127.255.255.255", "::1", "::"),
    port: fc.constantFrom(0, 1, 9, 3000, 65535),
  })
  .map(({ address, port }) =>
    new PayloadWriter().endpoint({ address, port, family: address.includes(":") ? 6 : 4 }).done(),
  );
const edges = [0, 1, -1, 2, 7, 4095, 4096, 65536, 2 ** 20, 2 ** 30, -(2 ** 31), 2 ** 31 - 1];
const word = fc.oneof(fc.constantFrom(...edges), fc.integer());
const socketNumber = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, -1, 2 ** 31 - 1),
  fc.integer({ min: 0, max: 40_000 }),
);
const headerWord = fc.oneof(
  fc.constantFrom(...Object.values(HEADER)),
  fc.integer({ min: 0, max: 1023 }),
);
const payload = fc.oneof(
  endpoint,
  fc.tuple(endpoint, word).map(([bytes, flags]) => joined(bytes, words(flags))),
  fc.tuple(word, endpoint, endpoint).map(([join, a, b]) => joined(words(join), a, b)),
  fc.array(word, { maxLength: 4 }).map((list) => words(...list)),
  fc.uint8Array({ maxLength: 12 }),
);

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

type Deed = (guest: HandGuest) => void;
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.tuple(headerWord, word).map(
    ([at, value]): Deed =>
      (guest) =>
        guest.setWord(at, value),
  ),
  fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom(...Object.values(CCB)), word).map(
    ([socket, at, value]): Deed =>
      (guest) =>
        guest.setCcb(socket, at, value),
  ),
  fc.tuple(socketNumber, word).map(
    ([socket, events]): Deed =>
      (guest) =>
        guest.notify(socket, events),
  ),
  fc.tuple(fc.integer({ min: 0, max: 70 }), socketNumber, payload).map(
    ([opcode, socket, bytes]): Deed =>
      (guest) =>
        guest.call(opcode, socket, bytes),
  ),
  fc.tuple(fc.constantFrom(...Object.values(OP)), fc.integer({ min: 1, max: 2 }), payload).map(
    ([opcode, socket, bytes]): Deed =>
      (guest) =>
        guest.call(opcode, socket, bytes),
  ),
  fc.tuple(word, payload).map(
    ([length, bytes]): Deed =>
      (guest) =>
        guest.call(OP.BIND, 1, bytes, length),
  ),
  fc.uint8Array({ maxLength: 64 }).map(
    (bytes): Deed =>
      (guest) =>
        guest.putCall(bytes),
  ),
  fc.nat(3).map(
    (extra): Deed =>
      (guest) => {
        if (guest.channelFd === -1) return;
        guest.sendDescriptors([guest.fd, ...Array.from({ length: extra }, () => guest.channelFd)]);
      },
  ),
  fc.tuple(fc.constantFrom(OP.RESTORE, OP.PAIR_ENDED), fc.array(fc.nat(3), { maxLength: 5 })).map(
    ([opcode, fields]): Deed =>
      (guest) =>
        guest.call(opcode, 0, words(...fields)),
  ),
  fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })).map(
    ([socket, type]): Deed =>
      (guest) =>
        guest.socket(socket, type),
  ),
);

describe.skipIf(!BUILT)("a guest that writes garbage", () => {
  test("indexes, entries, lengths, opcodes, endpoints, numbers: neither agent nor neighbour is harmed", async () => {
    const box = sandbox();
    const agent = await box.agent({ args: ["--log-level", "warn"] });
    const bystander = await Bystander.in(box);
    const before = { fds: descriptors(agent.pid).length, regions: mappedRegions(agent.pid) };
    await fc.assert(
      fc.asyncProperty(
        fc.array(deed, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(undefined, SOCK_STREAM, SOCK_DGRAM),
        fc.constantFrom(HONEST, HONEST_2),
        async (deeds, type, request) => {
          const guest = await HandGuest.attach(box.socket, request);
          try {
            if (type !== undefined) {
              // Sockets for the deeds to meet: one that listens, one that connects to it.
              const local = { address: "127.0.0.1", port: 3000, family: 4 } as const;
              guest.socket(1, type);
              guest.call(OP.BIND, 1, new PayloadWriter().endpoint(local).u32(1).done());
              guest.call(OP.LISTEN, 1, words(16));
              guest.socket(2, type);
              guest.call(OP.CONNECT, 2, new PayloadWriter().endpoint(local).done());
            }
            for (const one of deeds) {
              one(guest);
              guest.ring();
            }
            // Answered after what was rung before.
            if ((await box.status()) === undefined) throw new Error(await lastWords(agent));
          } finally {
            guest.close();
          }
          await bystander.works();
        },
      ),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    await isWell(box, agent, bystander);
    expect(agent.stderr).toMatch(/guest broke the protocol/);
    await until(
      "the agent gave all back",
      () =>
        descriptors(agent.pid).length <= before.fds && mappedRegions(agent.pid) === before.regions,
      { timeout: 40_000, state: () => JSON.stringify([before, descriptors(agent.pid).sort()]) },
    );
  }, 180_000);

  const breaches: [string, Deed, RegExp][] = [
    [
      "a call ring index out of bounds",
      (g) => {
        g.setCcb(0, CCB.TX_TAIL, 2 ** 30);
        g.notify(0, 1);
      },
      /fill|outside/,
    ],
    ["an event queue entry that is no socket", (g) => g.notify(2 ** 30, 1), /socket|entry/],
    [
      "a message longer than the ring's bytes",
      (g) => g.call(OP.BIND, 1, words(), 2000),
      /message length/,
    ],
    [
      "an unknown opcode",
      (g) => {
        g.socket(1);
        g.call(63, 1, words());
      },
      /opcode 63/,
    ],
    ["another guest's socket number", (g) => g.call(OP.LISTEN, 77, words(1)), /socket 77/],
    [
      "a socket number in use",
      (g) => {
        g.socket(1);
        g.socket(1);
      },
      /socket number 1 is not free/,
    ],
  ];
  test.each(breaches)(
    "%s: that session alone ends, with a reason",
    async (_what, breach, reason) => {
      const box = sandbox();
      const agent = await box.agent();
      const bystander = await Bystander.in(box);
      const guest = await HandGuest.attach(box.socket);
      onTestFinished(() => guest.close());
      breach(guest);
      await agent.printed(/guest broke the protocol/);
      const line = agent.stderr.split("\n").find((text) => text.includes("broke the protocol"))!;
      expect(JSON.parse(line)).toMatchObject({
        guest: "guest-1",
        reason: expect.stringMatching(reason),
      });
      await until("it is gone", async () => (await box.status())?.guests.length === 1);
      await isWell(box, agent, bystander);
    },
    60_000,
  );
});

/** Talks to the agent's socket without its rules. */
function raw(box: Sandbox): { socket: Socket; text: () => string; closed: Promise<void> } {
  const socket = createConnection(box.socket);
  onTestFinished(() => void socket.destroy());
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => {});
  return {
    socket,
    text: () => text,
    closed: new Promise((resolve) => socket.on("close", () => resolve())),
  };
}

describe.skipIf(!BUILT)("handshakes", () => {
  const { request: _request, ...unnamed } = HONEST;
  const cases: [string, unknown][] = [
    ["no JSON", "hello"],
    ["nothing", ""],
    ["null", null],
    ["a list", []],
    ["an unknown request", { request: "root" }],
    ["no request", unnamed],
    ["no protocol", { ...HONEST, protocol: undefined }],
    ["a protocol of words", { ...HONEST, protocol: { min: "1", max: "1" } }],
    ["a protocol of the future", { ...HONEST, protocol: { min: 60, max: 61 } }],
    ["a name that is a path", { ...HONEST, name: "../../etc" }],
    ["a name that is no text", { ...HONEST, name: 5 }],
    ["a pid of 1.5", { ...HONEST, pid: 1.5 }],
    ["a publish of an object", { ...HONEST, publish: {} }],
    [
      "a host port of -1",
      { ...HONEST, publish: [{ address: "127.0.0.1", hostPort: -1, guestPort: 1 }] },
    ],
    [
      "an address that is a name",
      { ...HONEST, publish: [{ address: "x", hostPort: 1, guestPort: 1 }] },
    ],
    [
      "a foreign publish address",
      { ...HONEST, publish: [{ address: "192.0.2.1", hostPort: 1, guestPort: 1 }] },
    ],
    ["dmesg of a number", { request: "dmesg", name: 5 }],
    ["dmesg of nobody", { request: "dmesg" }],
    ["__proto__", JSON.parse('{"__proto__": {"request": "status"}}')],
  ];
  test("malformed ones: each is refused in one sentence, the agent goes on", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const bystander = await Bystander.in(box);
    for (const [what, request] of cases) {
      const { socket, text, closed } = raw(box);
      socket.write(`${typeof request === "string" ? request : JSON.stringify(request)}\n`);
      await closed;
      const reply = JSON.parse(text());
      expect({ what, ...reply }).toMatchObject({ what, ok: false, code: expect.any(String) });
      expect(reply.error).toMatch(/^[^\n]{5,200}$/);
    }
    await isWell(box, agent, bystander);
    expect((await box.status())?.guests).toHaveLength(1);
  }, 60_000);

  test("a line without an end: the connection is closed after 16 KiB", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const bystander = await Bystander.in(box);
    const { socket, closed } = raw(box);
    socket.write("x".repeat(1024 * 1024));
    await closed;
    await isWell(box, agent, bystander);
  }, 60_000);

  test("binary rubbish and half lines, then hang up: nothing stays in the agent", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const bystander = await Bystander.in(box);
    const before = descriptors(agent.pid).length;
    const line = JSON.stringify(HONEST);
    for (let length = 0; length <= line.length; length += 7) {
      const { socket } = raw(box);
      await new Promise<void>((resolve) =>
        socket.write(line.slice(0, length) || "\0\xff", () => resolve()),
      );
      socket.destroy();
    }
    // Whole, but gone before the answer comes.
    for (let n = 0; n < 20; n++) {
      const { socket } = raw(box);
      await new Promise<void>((resolve) => socket.write(`${line}\n`, () => resolve()));
      socket.destroy();
    }
    await until("the agent gave all back", async () => {
      const guests = (await box.status())?.guests.length;
      return (
        guests === 1 && descriptors(agent.pid).length === before && mappedRegions(agent.pid) === 1
      );
    });
    await isWell(box, agent, bystander);
  }, 60_000);

  test("200 connections that never say a line: guests attach, and the idle agent still ends", async () => {
    const box = sandbox();
    await guestPuppet(box).then(({ process }) => process);
    const { pid } = (await box.status())!;
    const silent = Array.from({ length: 200 }, () => raw(box));
    for (const { socket } of silent) socket.write("{");
    const started = performance.now();
    expect((await box.guest(program("show.cjs")).ended).code).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    const [first] = (await box.status())!.guests;
    process.kill(first!.processes[0]!.pid, "SIGKILL");
    await until("the agent has ended", () => !alive(pid), { timeout: 30_000 });
  }, 60_000);
});

describe.skipIf(!BUILT)("guests that do not move", () => {
  test("one is stopped in the middle of its connections: others go on, it goes on later", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const bystander = await Bystander.in(box);
    const frozen = await guestPuppet(box, { options: ["--name", "frozen"] });
    await frozen.listen("server", 3000);
    const neighbour = await guestPuppet(box);
    await neighbour.connect("client", "frozen", 3000);
    frozen.process.kill("SIGSTOP");
    neighbour.do({ do: "write", id: "client", text: "are you there?" });
    await isWell(box, agent, bystander);
    frozen.process.kill("SIGCONT");
    expect(await neighbour.seen("client", "data")).toMatchObject({ text: "are you there?" });
    frozen.process.kill("SIGSTOP");
    frozen.process.kill("SIGKILL");
    await neighbour.seen("client", "close");
    await isWell(box, agent, bystander);
  }, 60_000);
});
