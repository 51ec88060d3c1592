import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import * as abi from "@outsock/abi";
import { CCB, CCB_BYTES, ERRNO, errnoName, errnoOf, HEADER, RING_CLASSES } from "@outsock/abi";
import { describe, expect, it } from "vitest";

describe("errno", () => {
  it.runIf(process.platform === "linux")("values are those of this kernel", () => {
    for (const [name, value] of Object.entries(ERRNO)) {
      const here = (constants.errno as Record<string, number>)[name];
      if (here !== undefined) expect([name, here]).toEqual([name, value]);
    }
  });

  it("name of a value that has two: the one of the socket calls", () => {
    expect(errnoName(95)).toBe("EOPNOTSUPP");
    expect(errnoName(11)).toBe("EAGAIN");
  });

  it("name and value: each other's inverse", () => {
    for (const [name, value] of Object.entries(ERRNO)) {
      expect(errnoName(value)).toBe(name);
      expect(errnoOf(name)).toBe(value);
    }
  });

  it.runIf(process.platform === "linux")("names are those that Node gives, but for ENOTSUP", () => {
    for (const [name, value] of Object.entries(ERRNO)) {
      const node = getSystemErrorName(-value);
      if (name === "EOPNOTSUPP") expect(node).toBe("ENOTSUP");
      else if (!node.startsWith("Unknown")) expect(node).toBe(name);
    }
  });

  it("code unknown or missing: EIO; value unknown: its number", () => {
    expect(errnoOf(undefined)).toBe(5);
    expect(errnoOf("ENOTFOUND")).toBe(5);
    expect(errnoOf("constructor")).toBe(5);
    expect(errnoName(9999)).toBe("E9999");
  });
});

describe("layout", () => {
  it("header words and control words: no two are the same", () => {
    for (const words of [HEADER, CCB] as const) {
      expect(new Set(Object.values(words)).size).toBe(Object.keys(words).length);
    }
    expect(Math.max(...Object.values(CCB))).toBeLessThan(CCB_BYTES / 4);
    expect(Math.max(...Object.values(HEADER))).toBeLessThan(abi.HEADER_BYTES / 4);
  });

  it("header words that are written later share no cache line with those that the agent wrote", () => {
    expect(HEADER.TO_AGENT_TAIL * 4).toBeGreaterThanOrEqual((HEADER.CALL_RING_BYTES + 1) * 4);
    const line = (word: number): number => Math.floor(word / 16);
    expect(line(HEADER.TO_AGENT_TAIL)).toBe(line(HEADER.TO_GUEST_HEAD));
    expect(line(HEADER.TO_AGENT_HEAD)).toBe(line(HEADER.TO_GUEST_TAIL));
    expect(line(HEADER.TO_AGENT_TAIL)).not.toBe(line(HEADER.TO_AGENT_HEAD));
    expect(line(CCB.TX_TAIL)).not.toBe(line(CCB.TX_HEAD));
  });

  it("ring classes: powers of two, largest first, each dividing the one before", () => {
    expect([...RING_CLASSES]).toEqual([1048576, 262144, 65536, 16384, 4096]);
  });

  it("a message fits the call ring, the largest datagram fits a ring of 64 KiB", () => {
    expect(abi.MESSAGE_MAX_BYTES).toBeLessThanOrEqual(abi.CALL_RING_BYTES);
    expect(abi.DATAGRAM_HEADER_BYTES + abi.DATAGRAM_MAX_BYTES).toBeLessThanOrEqual(65536);
  });
});
