/** Socket options, IPv6 and mapped addresses, and what /proc/net shows. */
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from "@outsock/abi";
import { ANY, ANY6, LOOPBACK, LOOPBACK6, mapped, named, ok, type Program } from "./program.ts";
import type { Cases } from "./test-api.ts";

/** bind and listen. @returns 0 or a negative errno */
function listenOn(p: Program, fd: number, address: typeof ANY): number {
  return p.sys.bind(fd, address) || p.sys.listen(fd, 16);
}

export const optionCases: Cases = ({ describe, test, expect }, program) => {
  describe("options", () => {
    const flags = [
      ["TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY],
      ["SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE],
    ] as const;

    test.each(flags)(
      "%s is off, can be set and cleared on a connection",
      async (_, level, name) => {
        const p = program();
        const { client, server } = await p.pair();
        for (const fd of [client, server]) {
          const get = (): { result: number; value: number } => p.sys.getsockopt(fd, level, name);
          expect(get()).toEqual({ result: 0, value: 0 });
          expect(p.sys.setsockopt(fd, level, name, 1)).toBe(0);
          expect(get()).toEqual({ result: 0, value: 1 });
          expect(p.sys.setsockopt(fd, level, name, 0)).toBe(0);
          expect(get()).toEqual({ result: 0, value: 0 });
        }
      },
    );

    test("options set before connect hold after it", async () => {
      const p = program();
      const fd = p.stream();
      ok(p.sys.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1));
      ok(p.sys.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1));
      ok(p.sys.setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30));
      ok(await p.connect(fd, p.name(p.listener())));
      expect(p.sys.getsockopt(fd, IPPROTO_TCP, TCP_NODELAY).value).toBe(1);
      expect(p.sys.getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE).value).toBe(1);
      expect(p.sys.getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE).value).toBe(30);
    });

    test("an option that does not exist is ENOPROTOOPT", () => {
      const p = program();
      expect(named(p.sys.getsockopt(p.stream(), SOL_SOCKET, 9999).result)).toBe("ENOPROTOOPT");
    });

    test("SO_REUSEPORT on both lets two sockets listen on a port, and both get connections", async () => {
      const p = program();
      const [a, b] = [p.stream(), p.stream()];
      for (const fd of [a, b]) ok(p.sys.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1));
      ok(listenOn(p, a, LOOPBACK));
      const address = p.name(a);
      expect(listenOn(p, b, address)).toBe(0);
      for (let i = 0; i < 4; i++) ok(await p.connect(p.stream(), address));
    });

    test("SO_REUSEADDR does not let two sockets listen on a port", () => {
      const p = program();
      const [a, b] = [p.stream(), p.stream()];
      for (const fd of [a, b]) ok(p.sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1));
      ok(listenOn(p, a, LOOPBACK));
      expect(named(listenOn(p, b, p.name(a)))).toBe("EADDRINUSE");
    });
  });

  describe("IPv6", () => {
    test("a connection over ::1 has IPv6 names on both ends", async () => {
      const p = program();
      const { client, server } = await p.pair(LOOPBACK6);
      expect(p.sys.getpeername(client)).toEqual({ ...LOOPBACK6, port: p.port(server) });
      expect(p.sys.getpeername(server)).toEqual({ ...LOOPBACK6, port: p.port(client) });
    });

    test("a listener on :: takes IPv4 connections, with mapped addresses", async () => {
      const p = program();
      const listener = p.listener(ANY6);
      const client = p.stream(AF_INET);
      ok(await p.connect(client, { ...LOOPBACK, port: p.port(listener) }));
      const server = await p.accept(listener);
      expect(p.name(server)).toEqual(mapped(p.port(listener)));
      expect(p.sys.getpeername(server)).toEqual(mapped(p.port(client)));
      expect(p.sys.getpeername(client)).toEqual({ ...LOOPBACK, port: p.port(listener) });
      await p.write(client, "4 to 6");
      expect(await p.read(server)).toBe("4 to 6");
    });

    test("a listener on :: takes IPv6 connections too", async () => {
      const p = program();
      const listener = p.listener(ANY6);
      const client = p.stream(AF_INET6);
      ok(await p.connect(client, { ...LOOPBACK6, port: p.port(listener) }));
      const server = await p.accept(listener);
      expect(p.sys.getpeername(server)).toEqual({ ...LOOPBACK6, port: p.port(client) });
    });

    test("an IPv6 socket reaches an IPv4 listener by its mapped address", async () => {
      const p = program();
      const listener = p.listener(LOOPBACK);
      const client = p.stream(AF_INET6);
      ok(await p.connect(client, mapped(p.port(listener))));
      const server = await p.accept(listener);
      expect(p.sys.getpeername(server)).toEqual({ ...LOOPBACK, port: p.port(client) });
      expect(p.sys.getpeername(client)).toEqual(mapped(p.port(listener)));
    });

    test(":: and 0.0.0.0 on one port clash, with IPV6_V6ONLY they do not", () => {
      const p = program();
      const dual = p.listener(ANY6);
      const clashing = listenOn(p, p.stream(), { ...ANY, port: p.port(dual) });
      expect(named(clashing)).toBe("EADDRINUSE");
      const only = p.stream(AF_INET6);
      ok(p.sys.setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
      ok(listenOn(p, only, ANY6));
      expect(listenOn(p, p.stream(), { ...ANY, port: p.port(only) })).toBe(0);
    });

    test("a listener with IPV6_V6ONLY refuses IPv4", async () => {
      const p = program();
      const only = p.stream(AF_INET6);
      ok(p.sys.setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
      ok(listenOn(p, only, ANY6));
      const to = { ...LOOPBACK, port: p.port(only) };
      expect(named(await p.connect(p.stream(), to))).toBe("ECONNREFUSED");
    });
  });

  describe("/proc/net", () => {
    test("tcp shows a listener, both ends of a connection, and neither after close", async () => {
      const p = program();
      const listener = p.listener();
      const port = p.port(listener);
      const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
      expect(p.rows("/proc/net/tcp", port).map((f) => f.slice(1, 4))).toEqual([
        [`0100007F:${hexPort}`, "00000000:0000", "0A"],
      ]);
      const client = p.stream();
      ok(await p.connect(client, p.name(listener)));
      const server = await p.accept(listener);
      const clientHex = p.port(client).toString(16).toUpperCase().padStart(4, "0");
      expect(p.rows("/proc/net/tcp", port).map((f) => f[3])).toEqual(["0A", "01"]);
      expect(p.rows("/proc/net/tcp", p.port(client)).map((f) => f.slice(1, 4))).toEqual([
        [`0100007F:${clientHex}`, `0100007F:${hexPort}`, "01"],
      ]);
      for (const fd of [client, server, listener]) p.close(fd);
      expect(p.rows("/proc/net/tcp", port)).toEqual([]);
    });

    test("tcp6 and udp show theirs", () => {
      const p = program();
      const listener = p.listener(LOOPBACK6);
      const loopback6 = "00000000000000000000000001000000";
      expect(p.rows("/proc/net/tcp6", p.port(listener))[0]![1]).toMatch(`${loopback6}:`);
      const fd = p.datagram();
      expect(p.rows("/proc/net/udp", p.port(fd))[0]![1]).toMatch("0100007F:");
    });

    test("a socket that is not bound shows as closed", () => {
      const p = program();
      p.own(p.sys.socket(AF_INET, SOCK_STREAM, 0));
      expect(p.rows("/proc/net/tcp", 0).map((f) => f.slice(1, 4))).toContainEqual([
        "00000000:0000",
        "00000000:0000",
        "07",
      ]);
    });
  });
};
