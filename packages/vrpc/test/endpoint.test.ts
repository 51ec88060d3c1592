import { isIPv6, SocketAddress } from "node:net";
import { ENDPOINT_BYTES } from "@outsock/abi";
import { decodeEndpoint, type Endpoint, encodeEndpoint, MessageInvalid } from "@outsock/vrpc";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

fc.configureGlobal({ seed: 20261122 });
vi.setConfig({ testTimeout: 60_000 });

function roundTrip(endpoint: Endpoint): Endpoint {
  const bytes = new Uint8Array(ENDPOINT_BYTES + 4).fill(0xaa);
  encodeEndpoint(bytes, 2, endpoint);
  expect([...bytes.subarray(0, 2), ...bytes.subarray(-2)]).toEqual([0xaa, 0xaa, 0xaa, 0xaa]);
  return decodeEndpoint(bytes, 2);
}

const canonical = (address: string): string =>
  roundTrip({ address, port: 1, family: address.includes(":") ? 6 : 4 }).address;

describe("an endpoint", () => {
  it("IPv4: mapped bytes in network order, port and family little-endian", () => {
    const bytes = new Uint8Array(ENDPOINT_BYTES);
    encodeEndpoint(bytes, 0, { address: "127.77.0.1", port: 8080, family: 4 });
    expect([...bytes]).toEqual([
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 77, 0, 1, 0x90, 0x1f, 4, 0,
    ]);
  });

  it("IPv6: bytes in network order", () => {
    const bytes = new Uint8Array(ENDPOINT_BYTES);
    encodeEndpoint(bytes, 0, { address: "2001:db8::1", port: 53, family: 6 });
    expect([...bytes]).toEqual([
      0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 53, 0, 6, 0,
    ]);
  });

  // RFC 5952 section 4, RFC 4291 section 2.2.
  it.each([
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["::FFFF:102:304", "::ffff:1.2.3.4"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["fe80::1%eth0.5", "fe80::1"],
    ["::ffff:1.2.3.4%lo", "::ffff:1.2.3.4"],
  ])("%s reads back as %s", (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  it("any IPv4 address and port: the same after a round trip", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.nat(65535), (address, port) => {
        expect(roundTrip({ address, port, family: 4 })).toEqual({ address, port, family: 4 });
      }),
    );
  });

  it("any 16 bytes and port: the text encodes to the same bytes, and is what inet_ntop(3) writes", () => {
    const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(
        fc.array(group, { minLength: 8, maxLength: 8 }),
        fc.nat(65535),
        (groups, port) => {
          const bytes = Uint8Array.from([
            ...groups.flatMap((g) => [g >> 8, g & 255]),
            port & 255,
            port >> 8,
            6,
            0,
          ]);
          const endpoint = decodeEndpoint(bytes, 0);
          expect(isIPv6(endpoint.address)).toBe(true);
          expect(endpoint.port).toBe(port);
          const again = new Uint8Array(ENDPOINT_BYTES);
          encodeEndpoint(again, 0, endpoint);
          expect(again).toEqual(bytes);
          // inet_ntop also writes deprecated IPv4-compatible addresses with dots.
          if (groups.slice(0, 6).some((g) => g !== 0)) {
            const { address } = new SocketAddress({ address: endpoint.address, family: "ipv6" });
            expect(endpoint.address).toBe(address);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("any text fast-check holds for an IPv6 address: encodes as node:net reads it", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        fc.pre(isIPv6(address));
        expect(isIPv6(canonical(address))).toBe(true);
        expect(canonical(canonical(address))).toBe(canonical(address));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["300.1.1.1", 4],
    ["::1", 4],
    ["127.0.0.1", 6],
    ["localhost", 4],
    ["", 6],
    ["1::2::3", 6],
  ] as const)("%s is no address of family %i: MessageInvalid", (address, family) => {
    const bytes = new Uint8Array(ENDPOINT_BYTES);
    expect(() => encodeEndpoint(bytes, 0, { address, port: 1, family })).toThrow(MessageInvalid);
  });

  it("cut off, of another family, or IPv4 that is not mapped: MessageInvalid", () => {
    const bytes = new Uint8Array(ENDPOINT_BYTES);
    expect(() => decodeEndpoint(bytes.subarray(1), 0)).toThrow("endpoint is cut off");
    expect(() => decodeEndpoint(bytes, 1)).toThrow("endpoint is cut off");
    expect(() => decodeEndpoint(bytes, 0)).toThrow("address family 0 is not 4 or 6");
    bytes[18] = 4;
    expect(() => decodeEndpoint(bytes, 0)).toThrow("IPv4 endpoint is not mapped");
    bytes[19] = 1;
    expect(() => decodeEndpoint(bytes, 0)).toThrow("address family 260 is not 4 or 6");
  });
});
