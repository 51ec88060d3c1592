/** Making, binding, listening, connecting, accepting, and what each refuses. */
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  EPOLLOUT,
  SHUT_RDWR,
  SO_ERROR,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { ANY, LOOPBACK, LOOPBACK6, named, ok } from "./program.ts";
import type { Cases } from "./test-api.ts";

export const connectingCases: Cases = ({ describe, test, expect }, program) => {
  describe("names", () => {
    test("a new socket has the wildcard address and no peer", () => {
      const p = program();
      const fd = p.stream();
      expect(p.sys.getsockname(fd)).toEqual(ANY);
      expect(named(p.sys.getpeername(fd))).toBe("ENOTCONN");
    });

    test("bind to port 0 gives a port of its own", () => {
      const p = program();
      const [a, b] = [p.listener(), p.listener()];
      expect(p.name(a)).toEqual({ ...LOOPBACK, port: expect.any(Number) });
      expect(p.port(a)).toBeGreaterThan(1023);
      expect(p.port(a)).not.toBe(p.port(b));
    });

    test("listen on a socket that is not bound binds it to a port", () => {
      const p = program();
      const fd = p.stream();
      expect(p.sys.listen(fd, 1)).toBe(0);
      expect(p.port(fd)).toBeGreaterThan(0);
    });

    test("both ends of a connection name each other", async () => {
      const p = program();
      const { client, server } = await p.pair();
      expect(p.sys.getpeername(client)).toEqual(p.name(server));
      expect(p.sys.getpeername(server)).toEqual(p.name(client));
      expect(p.name(client).address).toBe("127.0.0.1");
    });

    test("connect from a bound socket keeps its port", async () => {
      const p = program();
      const listener = p.listener();
      const client = p.stream();
      ok(p.sys.bind(client, LOOPBACK));
      const { port } = p.name(client);
      ok(await p.connect(client, p.name(listener)));
      const server = await p.accept(listener);
      expect(p.sys.getpeername(server)).toEqual({ ...LOOPBACK, port });
    });
  });

  describe("refusals", () => {
    test("socket of an unknown domain is EAFNOSUPPORT, of a raw type EPERM", () => {
      const { sys } = program();
      expect(named(sys.socket(99, SOCK_STREAM, 0))).toBe("EAFNOSUPPORT");
      expect(named(sys.socket(AF_INET, SOCK_RAW, 0))).toBe("EPERM");
    });

    test("bind to a foreign address is EADDRNOTAVAIL", () => {
      const p = program();
      const foreign = { family: AF_INET, address: "192.0.2.1", port: 0 };
      expect(named(p.sys.bind(p.stream(), foreign))).toBe("EADDRNOTAVAIL");
    });

    test("bind to an address of the other domain is EAFNOSUPPORT", () => {
      const p = program();
      expect(named(p.sys.bind(p.stream(AF_INET), LOOPBACK6))).toBe("EAFNOSUPPORT");
    });

    test("bind of a bound socket is EINVAL", () => {
      const p = program();
      const fd = p.stream();
      ok(p.sys.bind(fd, LOOPBACK));
      expect(named(p.sys.bind(fd, LOOPBACK))).toBe("EINVAL");
    });

    test("a second listener on a port is EADDRINUSE", () => {
      const p = program();
      const address = p.name(p.listener());
      const fd = p.stream();
      expect(named(p.sys.bind(fd, address) || p.sys.listen(fd, 1))).toBe("EADDRINUSE");
    });

    test("listen and accept on a connected socket are EINVAL", async () => {
      const p = program();
      const { client } = await p.pair();
      expect(named(p.sys.listen(client, 1))).toBe("EINVAL");
      expect(named(p.sys.accept4(client))).toBe("EINVAL");
    });

    test("accept before listen is EINVAL, without a connection EAGAIN", () => {
      const p = program();
      expect(named(p.sys.accept4(p.stream()))).toBe("EINVAL");
      expect(named(p.sys.accept4(p.listener()))).toBe("EAGAIN");
    });

    test("listen and accept on a datagram socket are EOPNOTSUPP", () => {
      const p = program();
      const fd = p.datagram();
      expect(named(p.sys.listen(fd, 1))).toBe("EOPNOTSUPP");
      expect(named(p.sys.accept4(fd))).toBe("EOPNOTSUPP");
    });

    test("socket calls on a pipe are ENOTSOCK", () => {
      const p = program();
      const { sys } = p;
      const pipe = sys.pipe2();
      if (typeof pipe === "number") throw new Error("no pipe");
      for (const fd of pipe) p.own(fd);
      const fd = pipe[0];
      expect(
        [
          sys.bind(fd, LOOPBACK),
          sys.listen(fd, 1),
          sys.accept4(fd),
          sys.connect(fd, LOOPBACK),
          sys.shutdown(fd, SHUT_RDWR),
          sys.getsockname(fd),
          sys.getpeername(fd),
          sys.setsockopt(fd, SOL_SOCKET, SO_ERROR, 0),
          sys.getsockopt(fd, SOL_SOCKET, SO_ERROR).result,
          sys.recvfrom(fd),
        ].map(named),
      ).toEqual(new Array(10).fill("ENOTSOCK"));
    });

    test("calls on a closed descriptor are EBADF", () => {
      const p = program();
      const { sys } = p;
      const fd = p.stream();
      ok(p.close(fd));
      expect(
        [
          sys.bind(fd, LOOPBACK),
          sys.listen(fd, 1),
          sys.accept4(fd),
          sys.connect(fd, LOOPBACK),
          sys.shutdown(fd, SHUT_RDWR),
          sys.getsockname(fd),
          sys.getpeername(fd),
          sys.read(fd, new Uint8Array(1)),
          sys.write(fd, new Uint8Array(1)),
          sys.dup(fd),
          sys.close(fd),
        ].map(named),
      ).toEqual(new Array(11).fill("EBADF"));
    });

    test("a process at its limit of descriptors gets EMFILE, and an accept leaves the connection", async () => {
      const p = program();
      const LIMIT = 8;
      const process = p.kernel.processes.spawn(77, 1, "small", LIMIT);
      const sys = new (p.sys.constructor as new (...args: unknown[]) => typeof p.sys)(
        p.kernel,
        process,
      );
      const listener = ok(sys.socket(AF_INET, SOCK_STREAM, 0));
      ok(sys.bind(listener, LOOPBACK) || sys.listen(listener, 4));
      const address = sys.getsockname(listener);
      if (typeof address === "number") throw new Error("no name");
      const others: number[] = [];
      while (others.length < LIMIT - 4) others.push(ok(sys.socket(AF_INET, SOCK_DGRAM, 0)));
      expect(named(sys.socket(AF_INET, SOCK_STREAM, 0))).toBe("EMFILE");
      ok(await p.connect(p.stream(), address));
      await new Promise<void>((resolve) => {
        if (sys.poll([{ fd: listener, events: EPOLLIN, revents: 0 }], -1, () => resolve()) > 0)
          resolve();
      });
      expect(named(sys.accept4(listener))).toBe("EMFILE");
      ok(sys.close(others[0]!));
      expect(sys.accept4(listener)).toBe(others[0]);
      p.kernel.processes.exit(process);
    });
  });

  describe("connecting", () => {
    test("connect to a listener ends in SO_ERROR 0, a second connect is EISCONN", async () => {
      const p = program();
      const { client } = await p.pair();
      expect(p.sys.getsockopt(client, SOL_SOCKET, SO_ERROR)).toEqual({ result: 0, value: 0 });
      expect(named(p.sys.connect(client, LOOPBACK))).toBe("EISCONN");
    });

    test("connect says EINPROGRESS, meanwhile EALREADY and EAGAIN", async () => {
      const p = program();
      const listener = p.listener();
      const fd = p.stream();
      const address = p.name(listener);
      expect(named(p.sys.connect(fd, address))).toBe("EINPROGRESS");
      expect(named(p.sys.connect(fd, address))).toBe("EALREADY");
      expect(named(p.sys.read(fd, new Uint8Array(1)))).toBe("EAGAIN");
      expect(named(p.sys.write(fd, new Uint8Array(1)))).toBe("EAGAIN");
      expect(await p.until(fd, EPOLLOUT)).toBe(EPOLLOUT);
    });

    test("connect to a port that nobody listens on is ECONNREFUSED once", async () => {
      const p = program();
      const bound = p.stream();
      ok(p.sys.bind(bound, LOOPBACK));
      const fd = p.stream();
      expect(named(await p.connect(fd, p.name(bound)))).toBe("ECONNREFUSED");
      expect(p.sys.getsockopt(fd, SOL_SOCKET, SO_ERROR).value).toBe(0);
      expect(named(p.sys.getpeername(fd))).toBe("ENOTCONN");
    });

    test("a socket that was refused connects again", async () => {
      const p = program();
      const bound = p.stream();
      ok(p.sys.bind(bound, LOOPBACK));
      const fd = p.stream();
      expect(named(await p.connect(fd, p.name(bound)))).toBe("ECONNREFUSED");
      const listener = p.listener();
      // Linux answers ECONNABORTED to the first call after one that failed.
      const result = named(await p.connect(fd, p.name(listener)));
      if (result === "ECONNABORTED") ok(await p.connect(fd, p.name(listener)));
      else expect(result).toBe(0);
      const server = await p.accept(listener);
      await p.write(fd, "again");
      expect(await p.read(server)).toBe("again");
    });

    test("connect of a listening socket is EISCONN", () => {
      const p = program();
      const listener = p.listener();
      expect(named(p.sys.connect(listener, p.name(listener)))).toBe("EISCONN");
    });

    test("connect to an address of the other domain is EAFNOSUPPORT", () => {
      const p = program();
      const to = { ...LOOPBACK6, port: 80 };
      expect(named(p.sys.connect(p.stream(AF_INET), to))).toBe("EAFNOSUPPORT");
      const to4 = { ...LOOPBACK, port: 80 };
      expect(named(p.sys.connect(p.stream(AF_INET6), to4))).toBe("EAFNOSUPPORT");
    });

    test("close while connecting is no error, and the descriptor is free", async () => {
      const p = program();
      const listener = p.listener();
      const fd = p.stream();
      p.sys.connect(fd, p.name(listener));
      expect(p.close(fd)).toBe(0);
      expect(p.stream()).toBe(fd);
      // The network goes on.
      ok(await p.connect(fd, p.name(listener)));
    });

    test("connections wait in the order of their coming", async () => {
      const p = program();
      const listener = p.listener();
      const clients: number[] = [];
      for (let i = 0; i < 5; i++) {
        const client = p.stream();
        ok(await p.connect(client, p.name(listener)));
        clients.push(p.port(client));
      }
      const accepted: number[] = [];
      for (let i = 0; i < 5; i++) {
        const peer = p.sys.getpeername(await p.accept(listener));
        accepted.push(typeof peer === "number" ? peer : peer.port);
      }
      expect(accepted).toEqual(clients);
    });

    test("closing a listener resets what nobody accepted, and refuses what comes", async () => {
      const p = program();
      const listener = p.listener();
      const address = p.name(listener);
      const client = p.stream();
      ok(await p.connect(client, address));
      await p.until(listener, EPOLLIN);
      ok(p.close(listener));
      expect(named(await p.readResult(client))).toBe("ECONNRESET");
      expect(named(await p.connect(p.stream(), address))).toBe("ECONNREFUSED");
    });

    test("a port is free again when its listener is closed", async () => {
      const p = program();
      const listener = p.listener();
      const address = p.name(listener);
      const client = p.stream();
      ok(await p.connect(client, address));
      const server = await p.accept(listener);
      // The server's end closes first and keeps the port in TIME_WAIT.
      p.close(server);
      expect(await p.read(client)).toBe("");
      p.close(client);
      p.close(listener);
      expect(p.port(p.listener(address))).toBe(address.port);
    });
  });
};
