/** UDP. */
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  SO_ERROR,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { ANY6, LOOPBACK, LOOPBACK6, mapped, named, ok } from "./program.ts";
import type { Cases } from "./test-api.ts";

const text = (s: string): Uint8Array => Buffer.from(s, "latin1");

export const datagramCases: Cases = ({ describe, test, expect }, program) => {
  describe("datagrams", () => {
    test("a datagram arrives whole, with its sender's address", async () => {
      const p = program();
      const [a, b] = [p.datagram(), p.datagram()];
      expect(p.sys.sendto(a, text("hello"), p.name(b))).toBe(5);
      expect(await p.receive(b)).toEqual({ text: "hello", from: p.name(a) });
      expect(named(p.sys.recvfrom(b))).toBe("EAGAIN");
    });

    test("datagrams keep their bounds and their order; one may be empty", async () => {
      const p = program();
      const [a, b] = [p.datagram(), p.datagram()];
      const sent = ["one", "", "three", ...Array.from({ length: 50 }, (_, i) => `n${i}`)];
      for (const s of sent) ok(p.sys.sendto(a, text(s), p.name(b)));
      const got: string[] = [];
      while (got.length < sent.length) {
        const datagram = await p.receive(b);
        got.push(typeof datagram === "number" ? `error ${errnoName(-datagram)}` : datagram.text);
      }
      expect(got).toEqual(sent);
    });

    test("the largest payload arrives, one byte more is EMSGSIZE", async () => {
      const p = program();
      const [a, b] = [p.datagram(), p.datagram()];
      const largest = "z".repeat(65507);
      expect(p.sys.sendto(a, text(largest), p.name(b))).toBe(65507);
      expect(await p.receive(b)).toEqual({ text: largest, from: p.name(a) });
      expect(named(p.sys.sendto(a, text(`${largest}z`), p.name(b)))).toBe("EMSGSIZE");
    });

    test("a first send binds the socket", async () => {
      const p = program();
      const fd = p.own(p.sys.socket(AF_INET, SOCK_DGRAM, 0));
      const to = p.datagram();
      expect(p.sys.getsockname(fd)).toEqual({ family: AF_INET, address: "0.0.0.0", port: 0 });
      ok(p.sys.sendto(fd, text("x"), p.name(to)));
      const got = await p.receive(to);
      expect(got).toEqual({ text: "x", from: { ...LOOPBACK, port: p.port(fd) } });
    });

    test("send without a destination is EDESTADDRREQ, with an impossible port EINVAL", () => {
      const p = program();
      const fd = p.datagram();
      expect(named(p.sys.sendto(fd, text("x"), undefined))).toBe("EDESTADDRREQ");
      expect(named(p.sys.sendto(fd, text("x"), LOOPBACK))).toBe("EINVAL");
    });

    test("a port that is taken is EADDRINUSE", () => {
      const p = program();
      const taken = p.datagram();
      const fd = p.own(p.sys.socket(AF_INET, SOCK_DGRAM, 0));
      expect(named(p.sys.bind(fd, p.name(taken)))).toBe("EADDRINUSE");
      ok(p.close(taken));
      expect(p.sys.bind(fd, LOOPBACK)).toBe(0);
      expect(named(p.sys.bind(fd, LOOPBACK))).toBe("EINVAL");
    });

    test("a connected socket sends to its peer and hears only that", async () => {
      const p = program();
      const [a, b, stranger] = [p.datagram(), p.datagram(), p.datagram()];
      expect(named(p.sys.getpeername(a))).toBe("ENOTCONN");
      expect(p.sys.connect(a, p.name(b))).toBe(0);
      expect(p.sys.getpeername(a)).toEqual(p.name(b));
      ok(p.sys.sendto(stranger, text("who?"), p.name(a)));
      ok(p.sys.sendto(b, text("me"), p.name(a)));
      expect(await p.receive(a)).toEqual({ text: "me", from: p.name(b) });
      ok(p.sys.sendto(a, text("you"), undefined));
      expect(await p.receive(b)).toEqual({ text: "you", from: p.name(a) });
    });

    test("a disconnected socket hears everybody again", async () => {
      const p = program();
      const [chosen, b, other] = [p.datagram(), p.datagram(), p.datagram()];
      // A port that the kernel chose would be taken back.
      const address = p.name(chosen);
      p.close(chosen);
      const a = p.datagram(address);
      expect(named(p.sys.disconnect(a))).toBe("ENOTCONN");
      ok(p.sys.connect(a, p.name(b)));
      expect(p.sys.disconnect(a)).toBe(0);
      expect(named(p.sys.getpeername(a))).toBe("ENOTCONN");
      expect(named(p.sys.sendto(a, text("x"), undefined))).toBe("EDESTADDRREQ");
      ok(p.sys.sendto(other, text("hi"), p.name(a)));
      expect(await p.receive(a)).toEqual({ text: "hi", from: p.name(other) });
    });

    test("a connected socket whose peer is gone learns ECONNREFUSED once", async () => {
      const p = program();
      const [a, gone] = [p.datagram(), p.datagram()];
      ok(p.sys.connect(a, p.name(gone)));
      p.close(gone);
      // The peer's port is free once its close is done; until then nobody answers.
      let revents = 0;
      while (revents === 0) {
        p.sys.sendto(a, text("anybody?"), undefined);
        revents = await p.poll(a, EPOLLIN, 1);
      }
      expect(named(p.sys.recvfrom(a))).toBe("ECONNREFUSED");
      expect(p.sys.getsockopt(a, SOL_SOCKET, SO_ERROR).result).toBe(0);
    });

    test("a new socket is writable, and readable when a datagram is there", async () => {
      const p = program();
      const [a, b] = [p.datagram(), p.datagram()];
      expect(await p.until(b, EPOLLIN | EPOLLOUT)).toBe(EPOLLOUT);
      ok(p.sys.sendto(a, text("x"), p.name(b)));
      expect(await p.until(b, EPOLLIN)).toBe(EPOLLIN);
    });

    test("closed before it is read, a datagram is gone and the port free", () => {
      const p = program();
      const [a, b] = [p.datagram(), p.datagram()];
      const address = p.name(b);
      ok(p.sys.sendto(a, text("x"), address));
      ok(p.close(b));
      const again = p.datagram(address);
      expect(p.name(again)).toEqual(address);
    });

    test("datagrams over ::1, and mapped addresses at ::", async () => {
      const p = program();
      const [a, b] = [p.datagram(LOOPBACK6), p.datagram(LOOPBACK6)];
      ok(p.sys.sendto(a, text("six"), p.name(b)));
      expect(await p.receive(b)).toEqual({ text: "six", from: p.name(a) });
      const dual = p.datagram(ANY6);
      const four = p.datagram();
      ok(p.sys.sendto(four, text("four"), { ...LOOPBACK, port: p.port(dual) }));
      expect(await p.receive(dual)).toEqual({ text: "four", from: mapped(p.port(four)) });
      ok(p.sys.sendto(dual, text("back"), mapped(p.port(four))));
      expect(await p.receive(four)).toEqual({
        text: "back",
        from: { ...LOOPBACK, port: p.port(dual) },
      });
      expect(p.sys.getsockname(dual)).toMatchObject({ family: AF_INET6, address: "::" });
    });
  });
};
