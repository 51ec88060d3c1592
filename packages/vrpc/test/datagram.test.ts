import { DATAGRAM_HEADER_BYTES, DATAGRAM_MAX_BYTES } from "@outsock/abi";
import { type Endpoint, MessageInvalid, takeDatagram, writeDatagram } from "@outsock/vrpc";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { makeByteRing } from "./byte-ring.ts";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

const peer: Endpoint = { address: "10.0.0.1", port: 53, family: 4 };

describe("a datagram ring", () => {
  it("any datagrams and reads: those that fitted arrive whole and in order", () => {
    const actions = fc.array(
      fc.oneof(
        fc.record({
          payload: fc.uint8Array({ maxLength: 400 }),
          port: fc.nat(65535),
          wait: fc.boolean(),
        }),
        fc.constant("take" as const),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.constantFrom(0, -1, 2 ** 31 - 77), actions, (start, list) => {
        const { memory, producer, consumer } = makeByteRing(1024, start);
        const model: { payload: number[]; port: number }[] = [];
        let fill = 0;
        let waiting = 0;
        for (const action of list) {
          if (action === "take") {
            const taken = takeDatagram(consumer);
            const due = model.shift();
            expect(taken?.endpoint.port).toBe(due?.port);
            expect(taken && [...taken.payload]).toEqual(due?.payload);
            if (due === undefined) continue;
            fill -= DATAGRAM_HEADER_BYTES + due.payload.length;
            expect(taken?.notify).toBe(waiting > 0 && 1024 - fill >= waiting);
            if (taken?.notify) waiting = 0;
          } else {
            const { payload, port, wait } = action;
            const total = DATAGRAM_HEADER_BYTES + payload.length;
            const fits = fill + total <= 1024;
            expect(writeDatagram(producer, { ...peer, port }, payload, wait)).toBe(fits);
            if (fits) {
              model.push({ payload: [...payload], port });
              fill += total;
            } else if (wait) {
              waiting = total;
            }
            expect(memory.words[2]).toBe(waiting);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("empty datagram: arrives", () => {
    const { producer, consumer } = makeByteRing(256);
    expect(writeDatagram(producer, peer, new Uint8Array(0), false)).toBe(true);
    expect(takeDatagram(consumer)?.payload.length).toBe(0);
    expect(takeDatagram(consumer)).toBeUndefined();
  });

  it("largest UDP payload over IPv4: fits a ring of 64 KiB", () => {
    const { producer, consumer } = makeByteRing(65536, -5);
    const payload = new Uint8Array(DATAGRAM_MAX_BYTES).fill(3);
    expect(writeDatagram(producer, peer, payload, false)).toBe(true);
    expect(takeDatagram(consumer)?.payload.equals(payload)).toBe(true);
  });

  it("larger than that, as IPv6 allows: not written, so that the peer sees no breach", () => {
    const { producer, consumer } = makeByteRing(256 * 1024);
    const payload = new Uint8Array(65527);
    expect(writeDatagram(producer, peer, payload, true)).toBe(false);
    expect(takeDatagram(consumer)).toBeUndefined();
  });

  it("larger than the ring: not written, and not waited for", () => {
    const { memory, producer } = makeByteRing(256);
    expect(writeDatagram(producer, peer, new Uint8Array(300), true)).toBe(false);
    expect(memory.words[2]).toBe(0);
  });

  it.each([
    ["header cut off", [1, 0, 0, 0, 0], "header is cut off"],
    ["length beyond the fill", [1, 0, 0, 0, ...new Array(20).fill(0)], "datagram of 1 bytes"],
    ["huge length", [255, 255, 255, 255, ...new Array(20).fill(0)], "of 4294967295 bytes"],
    ["no endpoint", [0, 0, 0, 0, ...new Array(20).fill(0)], "address family 0"],
  ])("%s: MessageInvalid", (_, bytes, message) => {
    const { producer, consumer } = makeByteRing(1024);
    producer.write(Uint8Array.from(bytes as number[]));
    expect(() => takeDatagram(consumer)).toThrow(MessageInvalid);
    expect(() => takeDatagram(consumer)).toThrow(message);
  });
});
