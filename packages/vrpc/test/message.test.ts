import { MESSAGE_HEADER_BYTES, MESSAGE_MAX_BYTES, OP } from "@outsock/abi";
import {
  encodeMessage,
  type Message,
  MessageInvalid,
  MessageSender,
  takeMessage,
} from "@outsock/vrpc";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { makeByteRing } from "./byte-ring.ts";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const starts = fc.constantFrom(0, -1, -30, 2 ** 31 - 1, 2 ** 31 - 100);
const messages: fc.Arbitrary<Message> = fc.record({
  opcode: fc.nat(0xffff),
  sequence: fc.nat(2 ** 32 - 1),
  socket: fc.nat(2 ** 32 - 1),
  status: fc.integer(),
  payload: fc.uint8Array({ maxLength: 300 }),
});

const small = (sequence: number, payloadBytes = 12): Message => ({
  opcode: OP.SOCKET,
  sequence,
  socket: 7,
  status: 0,
  payload: new Uint8Array(payloadBytes),
});

describe("a message", () => {
  it("header fields lie where the specification says, little-endian", () => {
    const bytes = encodeMessage({
      opcode: OP.CONNECT,
      sequence: 0x01020304,
      socket: 0x8000,
      status: -1,
      payload: Uint8Array.of(9),
    });
    expect([...bytes]).toEqual([
      21, 0, 0, 0, 4, 0, 0, 0, 4, 3, 2, 1, 0, 0x80, 0, 0, 255, 255, 255, 255, 9,
    ]);
  });

  it("any message at any place of the ring: the same after a round trip", () => {
    fc.assert(
      fc.property(starts, fc.array(messages, { minLength: 1, maxLength: 8 }), (start, all) => {
        const { producer, consumer } = makeByteRing(4096, start);
        for (const message of all) producer.writeAll(encodeMessage(message));
        for (const message of all) {
          const taken = takeMessage(consumer);
          expect(taken?.notify).toBe(false);
          expect({ ...taken?.message, payload: [...taken!.message.payload] }).toEqual({
            ...message,
            payload: [...message.payload],
          });
        }
        expect(takeMessage(consumer)).toBeUndefined();
      }),
    );
  });

  it("longest payload: taken; one byte more: MessageInvalid", () => {
    const longest = MESSAGE_MAX_BYTES - MESSAGE_HEADER_BYTES;
    const { producer, consumer } = makeByteRing(4096);
    producer.writeAll(encodeMessage(small(1, longest)));
    expect(takeMessage(consumer)?.message.payload.length).toBe(longest);
    expect(() => encodeMessage(small(1, longest + 1))).toThrow(MessageInvalid);
  });

  it("taken message: a copy that the peer cannot change", () => {
    const { memory, producer, consumer } = makeByteRing(4096);
    producer.writeAll(encodeMessage(small(1)));
    const taken = takeMessage(consumer);
    memory.bytes.fill(255, 64);
    expect([...taken!.message.payload]).toEqual(new Array(12).fill(0));
  });

  it.each([
    ["header cut off", [20, 0, 0], "header is cut off"],
    ["length below the header's", [19, 0, 0, 0, ...new Array(16).fill(0)], "message length 19"],
    ["length beyond the ring's fill", [21, 0, 0, 0, ...new Array(16).fill(0)], "with 20 bytes"],
    ["length beyond the limit", [1, 8, 0, 0, ...new Array(3000).fill(0)], "message length 2049"],
    ["huge length", [255, 255, 255, 255, ...new Array(16).fill(0)], "message length 4294967295"],
    ["reserved bits", [20, 0, 0, 0, 1, 0, 1, ...new Array(13).fill(0)], "reserved header bits"],
  ])("%s: MessageInvalid", (_, bytes, message) => {
    const { producer, consumer } = makeByteRing(4096);
    producer.write(Uint8Array.from(bytes as number[]));
    let thrown: unknown;
    try {
      takeMessage(consumer);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MessageInvalid);
    expect(String(thrown)).toContain(message);
  });
});

describe("a message sender", () => {
  it("any messages and any reader: all arrive in order, the reader is told, none is left", () => {
    const actions = fc.array(
      fc.oneof(
        fc.nat(300).map((n) => ({ send: n })),
        fc.constant("take" as const),
      ),
      { maxLength: 150 },
    );
    fc.assert(
      fc.property(starts, actions, (start, list) => {
        const { producer, consumer } = makeByteRing(512, start);
        let told = 0;
        const sender = new MessageSender(producer, () => void told++, 1000);
        let sent = 0;
        let taken = 0;
        const takeOne = (): boolean => {
          const next = takeMessage(consumer);
          if (next === undefined) return false;
          expect(next.message.sequence).toBe(taken++);
          if (next.notify) {
            const [before, waited] = [told, sender.waiting];
            sender.flush();
            // It was notified because the first that waits fits now.
            expect(sender.waiting).toBeLessThan(waited);
            expect(told).toBe(before + 1);
          }
          return true;
        };
        for (const action of list) {
          if (action === "take") takeOne();
          else sender.send(small(sent++, action.send));
        }
        while (takeOne());
        expect(sender.waiting).toBe(0);
        expect(taken).toBe(sent);
      }),
      { numRuns: 1000 },
    );
  });

  it("peer that reads nothing: messages wait up to the limit, one more throws", () => {
    const { producer } = makeByteRing(64);
    let told = 0;
    const sender = new MessageSender(producer, () => void told++, 3);
    for (let i = 0; i < 5; i++) sender.send(small(i));
    expect(told).toBe(2);
    expect(sender.waiting).toBe(3);
    expect(() => sender.send(small(5))).toThrow("the peer left 3 messages unread");
    expect(sender.waiting).toBe(3);
  });

  it("flush without room: sends nothing and tells nobody", () => {
    const { producer } = makeByteRing(64);
    let told = 0;
    const sender = new MessageSender(producer, () => void told++, 3);
    for (let i = 0; i < 3; i++) sender.send(small(i));
    sender.flush();
    expect(sender.waiting).toBe(1);
    expect(told).toBe(2);
  });
});
