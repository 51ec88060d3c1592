import { once } from "node:events";
import { connect, createServer, isIPv6, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import {
  bindInet,
  closeFd,
  getpeername,
  getsockname,
  getsockoptInt,
  IP_BIND_ADDRESS_NO_PORT,
  IP_MULTICAST_TTL,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_MULTICAST_HOPS,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  inetSocket,
  listenFd,
  memfdCreate,
  SO_BROADCAST,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOL_SOCKET,
  setLinger,
  setsockoptInt,
  socketpair,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from "@outsock/hostsys";
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { decodeAddress, encodeAddress } from "../src/inet-address.ts";
import { BAD_FD, codeOf, flagsOf, onLinux } from "./child.ts";

const opened: number[] = [];
const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

function socket(type: "tcp" | "udp" = "tcp", family: 4 | 6 = 4): number {
  const fd = inetSocket(type, { family });
  opened.push(fd);
  return fd;
}

const fdOf = (from: Socket): number => (from as unknown as { _handle: { fd: number } })._handle.fd;

afterEach(() => {
  for (const fd of opened.splice(0)) closeFd(fd);
});

onLinux("inet sockets", () => {
  it.each(["tcp", "udp"] as const)("%s: nonblocking, closed on exec, without a name", (type) => {
    const fd = inetSocket(type);
    opened.push(fd);
    expect(flagsOf(fd)).toEqual({ nonblocking: true, closedOnExec: true });
    expect(getsockname(fd)).toEqual({ address: "0.0.0.0", port: 0, family: 4 });
    expect(getpeername(fd)).toBeNull();
  });

  it("bind, listen, and a connection over it: both names", async () => {
    const fd = inetSocket("tcp");
    bindInet(fd, "127.0.0.1", 0);
    listenFd(fd, 16);
    const name = getsockname(fd);
    expect(name).toEqual({ address: "127.0.0.1", port: expect.any(Number), family: 4 });
    expect(name.port).toBeGreaterThan(0);
    const server = createServer().listen({ fd });
    await once(server, "listening");
    const client = connect(name.port, "127.0.0.1");
    const [accepted] = (await once(server, "connection")) as [Socket];
    expect(getpeername(fdOf(client))).toEqual(name);
    expect(getpeername(fdOf(accepted))).toEqual(getsockname(fdOf(client)));
    client.destroy();
    accepted.destroy();
    server.close();
  });

  it.skipIf(!hasIPv6)("IPv6: bind and V6ONLY [needs ::1]", () => {
    const fd = socket("tcp", 6);
    setsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    expect(getsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY)).toBe(1);
    bindInet(fd, "::1", 0);
    expect(getsockname(fd)).toEqual({ address: "::1", port: expect.any(Number), family: 6 });
    const mapped = socket("udp", 6);
    bindInet(mapped, "::ffff:127.0.0.1", 0);
    expect(getsockname(mapped).address).toBe("::ffff:127.0.0.1");
    const hops = socket("udp", 6);
    setsockoptInt(hops, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
    setsockoptInt(hops, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 8);
    expect(getsockoptInt(hops, IPPROTO_IPV6, IPV6_UNICAST_HOPS)).toBe(9);
    expect(getsockoptInt(hops, IPPROTO_IPV6, IPV6_MULTICAST_HOPS)).toBe(8);
    expect(codeOf(() => bindInet(socket("tcp", 6), "127.0.0.1", 0))).toBe("EINVAL");
  });

  it("a port that is taken: EADDRINUSE; with SO_REUSEPORT on both it is shared", () => {
    const [first, second, third] = [socket(), socket(), socket()];
    setsockoptInt(first, SOL_SOCKET, SO_REUSEPORT, 1);
    bindInet(first, "127.0.0.1", 0);
    const { port } = getsockname(first);
    expect(codeOf(() => bindInet(second, "127.0.0.1", port))).toBe("EADDRINUSE");
    setsockoptInt(third, SOL_SOCKET, SO_REUSEPORT, 1);
    bindInet(third, "127.0.0.1", port);
    expect(getsockname(third).port).toBe(port);
  });

  it("IP_BIND_ADDRESS_NO_PORT: an address without a port until connected", () => {
    const fd = socket();
    setsockoptInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    bindInet(fd, "127.0.0.1", 0);
    expect(getsockname(fd)).toEqual({ address: "127.0.0.1", port: 0, family: 4 });
  });

  it("wrong addresses, ports, families and sockets are SysErrors", () => {
    const fd = socket();
    for (const address of ["", "localhost", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4\0", "::g"]) {
      expect(codeOf(() => bindInet(fd, address, 0))).toBe("EINVAL");
    }
    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      expect(codeOf(() => bindInet(fd, "127.0.0.1", port))).toBe("EINVAL");
    }
    expect(codeOf(() => bindInet(fd, "192.0.2.1", 0))).toBe("EADDRNOTAVAIL");
    expect(codeOf(() => bindInet(fd, "::1", 0))).toBe("EAFNOSUPPORT");
    expect(codeOf(() => bindInet(fd, "fe80::1%no-such-link", 0))).toBe("ENODEV");
    expect(codeOf(() => listenFd(socket("udp"), 1))).toBe("ENOTSUP");
    const [a, b] = socketpair();
    const file = memfdCreate("x");
    opened.push(a, b, file);
    expect(codeOf(() => getsockname(a))).toBe("EAFNOSUPPORT");
    expect(codeOf(() => getpeername(a))).toBe("EAFNOSUPPORT");
    for (const [bad, code] of [
      [BAD_FD, "EBADF"],
      [file, "ENOTSOCK"],
    ] as const) {
      expect(codeOf(() => bindInet(bad, "127.0.0.1", 0))).toBe(code);
      expect(codeOf(() => listenFd(bad, 1))).toBe(code);
      expect(codeOf(() => getsockname(bad))).toBe(code);
      expect(codeOf(() => getpeername(bad))).toBe(code);
      expect(codeOf(() => getsockoptInt(bad, SOL_SOCKET, SO_ERROR))).toBe(code);
      expect(codeOf(() => setsockoptInt(bad, SOL_SOCKET, SO_REUSEADDR, 1))).toBe(code);
      expect(codeOf(() => setLinger(bad, true, 0))).toBe(code);
    }
  });
});

onLinux("socket options", () => {
  it.each([
    ["SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1],
    ["SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1],
    ["SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1],
    ["SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 1],
    ["TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1],
    ["TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 61],
    ["TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 11],
    ["TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 5],
    ["IP_TTL", IPPROTO_IP, IP_TTL, 33],
    ["IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1],
  ])("%s reads back as set", (_, level, name, value) => {
    const fd = socket();
    expect(getsockoptInt(fd, level, name)).not.toBe(value);
    setsockoptInt(fd, level, name, value);
    expect(getsockoptInt(fd, level, name)).toBe(value);
  });

  it("IP_MULTICAST_TTL of UDP; the buffers are doubled by the kernel (socket(7))", () => {
    const fd = socket("udp");
    setsockoptInt(fd, IPPROTO_IP, IP_MULTICAST_TTL, 7);
    expect(getsockoptInt(fd, IPPROTO_IP, IP_MULTICAST_TTL)).toBe(7);
    setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, 20_000);
    setsockoptInt(fd, SOL_SOCKET, SO_SNDBUF, 30_000);
    expect(getsockoptInt(fd, SOL_SOCKET, SO_RCVBUF)).toBe(40_000);
    expect(getsockoptInt(fd, SOL_SOCKET, SO_SNDBUF)).toBe(60_000);
    expect(getsockoptInt(fd, SOL_SOCKET, SO_ERROR)).toBe(0);
    expect(codeOf(() => setsockoptInt(fd, SOL_SOCKET, 9999, 1))).toBe("ENOPROTOOPT");
    expect(codeOf(() => getsockoptInt(fd, SOL_SOCKET, 9999))).toBe("ENOPROTOOPT");
  });

  it("linger of 0 seconds: closing resets the connection", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const client = connect(port, "127.0.0.1");
    const [[accepted]] = (await Promise.all([
      once(server, "connection"),
      once(client, "connect"),
    ])) as [[Socket], unknown];
    const failed = once(accepted, "error");
    accepted.resume();
    setLinger(fdOf(client), true, 0);
    client.destroy();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe("ECONNRESET");
    server.close();
  });
});

onLinux("sockaddr", () => {
  it.each([
    ["1.2.3.4", 80, "02000050010203040000000000000000"],
    ["255.255.255.255", 65_535, "0200ffffffffffff0000000000000000"],
    ["::", 0, `0a000000${"0".repeat(48)}`],
    ["::1", 1, `0a00000100000000${"0".repeat(30)}0100000000`],
    ["2001:db8::ff00:42:8329", 443, "0a0001bb0000000020010db8000000000000ff000042832900000000"],
    ["::ffff:1.2.3.4", 53, `0a00003500000000${"0".repeat(20)}ffff0102030400000000`],
    ["1:0:0:2::3", 0, "0a000000000000000001000000000002000000000000000300000000"],
    ["fe80::1%3", 5, "0a00000500000000fe80000000000000000000000000000103000000"],
  ])("%s port %d", (address, port, hex) => {
    const encoded = encodeAddress("bind", address, port);
    expect(encoded.toString("hex")).toBe(hex);
    const padded = Buffer.concat([encoded, Buffer.alloc(28)], 28);
    expect(decodeAddress("x", padded)).toMatchObject({ address, port });
  });

  it.each([
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["0:0:1:0:0:0:1:0", "0:0:1::1:0"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::1.2.3.4", "::102:304"],
    ["1::", "1::"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ])("RFC 5952 (4): %s is written %s", (address, text) => {
    expect(decodeAddress("x", encodeAddress("x", address, 0)).address).toBe(text);
  });

  it("any address survives both directions", () => {
    const bytes = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(bytes, fc.nat(65_535), (raw, port) => {
        const sockaddr = Buffer.alloc(28);
        sockaddr.writeUInt16LE(10, 0);
        sockaddr.writeUInt16BE(port, 2);
        sockaddr.set(raw, 8);
        const { address, port: seen } = decodeAddress("x", sockaddr);
        expect(isIPv6(address)).toBe(true);
        expect(encodeAddress("x", address, seen)).toEqual(sockaddr);
        if (!address.includes(".")) {
          expect(new URL(`http://[${address}]`).hostname).toBe(`[${address}]`);
        }
      }),
      { seed: 20_261_122, numRuns: 2000 },
    );
  });
});
