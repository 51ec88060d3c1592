/** Bytes: their order, their end, back-pressure, many and much. */
import { createHash } from "node:crypto";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  ERRNO,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_ERROR,
  SOL_SOCKET,
} from "@outsock/abi";
import { SeededRandom } from "../seeded-random.ts";
import { named, ok } from "./program.ts";
import type { Cases } from "./test-api.ts";

const ONE = new Uint8Array(1);
/** Most that two kernels' buffers may take of a peer that does not read. */
const BUFFERED_MAX = 32 * 1024 * 1024;

/** Most that the guest itself may hold in one direction of a connection. */
const QUEUED_MAX = 2 * 1024 * 1024;

export const streamCases: Cases = ({ describe, test, expect }, program) => {
  describe("bytes", () => {
    test("written bytes are read in order, across any division", async () => {
      const p = program();
      const { client, server } = await p.pair();
      expect(p.sys.writev(client, [Buffer.from("ab"), Buffer.from("cde")])).toBe(5);
      await p.write(client, "f");
      ok(p.sys.shutdown(client, SHUT_WR));
      await p.until(server, EPOLLIN);
      const parts: string[] = [];
      for (;;) {
        const part = await p.read(server, 4);
        if (part === "") break;
        parts.push(part);
      }
      expect(parts.join("")).toBe("abcdef");
      expect(parts[0]!.length).toBeLessThanOrEqual(4);
    });

    test("read without bytes is EAGAIN, write of nothing is 0", async () => {
      const p = program();
      const { client } = await p.pair();
      expect(named(p.sys.read(client, ONE))).toBe("EAGAIN");
      expect(p.sys.write(client, new Uint8Array(0))).toBe(0);
    });

    test("FIONREAD says how many bytes a read would give", async () => {
      const p = program();
      const { client, server } = await p.pair();
      await p.write(client, "12345");
      await p.until(server, EPOLLIN);
      expect(p.sys.available(server)).toBe(5);
      expect(await p.read(server, 2)).toBe("12");
      expect(p.sys.available(server)).toBe(3);
    });

    test("a socket that is not connected gives ENOTCONN to read and EPIPE to write", () => {
      const p = program();
      const fd = p.stream();
      expect(named(p.sys.read(fd, ONE))).toBe("ENOTCONN");
      expect(named(p.sys.write(fd, ONE))).toBe("EPIPE");
      expect(named(p.sys.shutdown(fd, SHUT_WR))).toBe("ENOTCONN");
    });
  });

  describe("ends", () => {
    test("the client's half-close ends the server's reads, the other way goes on", async () => {
      const p = program();
      const { client, server } = await p.pair();
      await p.write(client, "request");
      expect(p.sys.shutdown(client, SHUT_WR)).toBe(0);
      expect(named(p.sys.write(client, ONE))).toBe("EPIPE");
      expect(await p.readText(server)).toBe("request");
      expect(p.sys.read(server, ONE)).toBe(0);
      await p.write(server, "answer");
      ok(p.sys.shutdown(server, SHUT_WR));
      expect(await p.readText(client)).toBe("answer");
    });

    test("the server's half-close ends the client's reads, the other way goes on", async () => {
      const p = program();
      const { client, server } = await p.pair();
      ok(p.sys.shutdown(server, SHUT_WR));
      expect((await p.until(client, EPOLLIN | EPOLLRDHUP)) & EPOLLRDHUP).toBe(EPOLLRDHUP);
      expect(await p.read(client)).toBe("");
      await p.write(client, "late");
      ok(p.sys.shutdown(client, SHUT_WR));
      expect(await p.readText(server)).toBe("late");
      expect((await p.until(client, EPOLLHUP)) & EPOLLHUP).toBe(EPOLLHUP);
    });

    test("SHUT_RD ends one's own reads only", async () => {
      const p = program();
      const { client, server } = await p.pair();
      ok(p.sys.shutdown(client, SHUT_RD));
      expect(p.sys.read(client, ONE)).toBe(0);
      await p.write(client, "still");
      expect(await p.read(server)).toBe("still");
    });

    test("SHUT_RDWR is end of stream here and there", async () => {
      const p = program();
      const { client, server } = await p.pair();
      ok(p.sys.shutdown(client, SHUT_RDWR));
      expect(p.sys.read(client, ONE)).toBe(0);
      expect(named(p.sys.write(client, ONE))).toBe("EPIPE");
      expect(await p.read(server)).toBe("");
    });

    test("bytes before the end are read first", async () => {
      const p = program();
      const { client, server } = await p.pair();
      await p.write(client, "x".repeat(1000));
      p.close(client);
      await p.until(server, EPOLLRDHUP);
      expect(await p.readText(server)).toBe("x".repeat(1000));
    });

    test("bytes before a reset are read first, then ECONNRESET, then the end", async () => {
      const p = program();
      const { client, server } = await p.pair();
      await p.write(server, "last words");
      await p.until(client, EPOLLIN);
      p.reset(server);
      expect((await p.until(client, EPOLLHUP)) & EPOLLERR).toBe(EPOLLERR);
      expect(await p.read(client)).toBe("last words");
      expect(named(p.sys.read(client, ONE))).toBe("ECONNRESET");
      expect(p.sys.read(client, ONE)).toBe(0);
      expect(named(p.sys.write(client, ONE))).toBe("EPIPE");
      expect(named(p.sys.getpeername(client))).toBe("ENOTCONN");
    });

    test("SO_ERROR tells a reset once", async () => {
      const p = program();
      const { client, server } = await p.pair();
      p.reset(server);
      await p.until(client, EPOLLHUP);
      const error = (): number => p.sys.getsockopt(client, SOL_SOCKET, SO_ERROR).value;
      expect([error(), error()]).toEqual([ERRNO.ECONNRESET, 0]);
      expect(p.sys.read(client, ONE)).toBe(0);
    });

    test("closing with unread bytes resets the peer", async () => {
      const p = program();
      const { client, server } = await p.pair();
      await p.write(client, "nobody reads this");
      await p.until(server, EPOLLIN);
      p.close(server);
      expect(named(await p.readResult(client))).toBe("ECONNRESET");
    });

    test("writes to a peer that is gone end in ECONNRESET or EPIPE", async () => {
      const p = program();
      const { client, server } = await p.pair();
      p.close(server);
      expect(await p.read(client)).toBe("");
      expect(["ECONNRESET", "EPIPE"]).toContain(named(await p.writeUntilError(client)));
    });

    test("a duplicate keeps the connection when the first descriptor is closed", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const second = p.own(p.sys.dup(client));
      expect(second).not.toBe(client);
      p.close(client);
      await p.write(second, "through the duplicate");
      expect(await p.read(server)).toBe("through the duplicate");
      p.close(second);
      expect(await p.read(server)).toBe("");
    });
  });

  describe("much and many", () => {
    test("a writer is held back by a peer that does not read, and goes on when it does", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const chunk = new Uint8Array(64 * 1024).fill(7);
      let written = 0;
      // Full when no room comes for some turns of the event loop.
      for (let full = 0; full < 50; ) {
        const n = p.sys.write(client, chunk);
        if (n === -ERRNO.EAGAIN) {
          full++;
          await p.turn();
        } else {
          full = 0;
          written += ok(n);
        }
        if (written > BUFFERED_MAX) break;
      }
      expect(written).toBeGreaterThan(0);
      expect(written).toBeLessThan(BUFFERED_MAX);
      for (const fd of [client, server]) {
        const queues = p.rows("/proc/net/tcp", p.port(fd))[0]![4]!;
        for (const bytes of queues.split(":"))
          expect(Number.parseInt(bytes, 16)).toBeLessThanOrEqual(QUEUED_MAX);
      }
      let read = 0;
      const reading = p.readToEnd(server, (piece) => {
        read += piece.length;
      });
      expect((await p.until(client, EPOLLOUT)) & EPOLLOUT).toBe(EPOLLOUT);
      await p.write(client, "the end");
      ok(p.sys.shutdown(client, SHUT_WR));
      await reading;
      expect(read).toBe(written + 7);
    });

    test("8 MiB in each direction at once, in chunks of random sizes, arrive unchanged", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const send = async (fd: number, seed: number): Promise<string> => {
        const random = new SeededRandom(seed);
        const pattern = random.bytes(300_000);
        const hash = createHash("sha256");
        for (let left = 8 * 1024 * 1024; left > 0; ) {
          const length = Math.min(left, random.integer(1, random.integer(1, 200_000)));
          const from = random.integer(0, pattern.length - length);
          const chunk = pattern.subarray(from, from + length);
          hash.update(chunk);
          await p.write(fd, chunk);
          left -= length;
        }
        ok(p.sys.shutdown(fd, SHUT_WR));
        return hash.digest("hex");
      };
      const receive = async (fd: number, most: number): Promise<string> => {
        const hash = createHash("sha256");
        await p.readToEnd(fd, (piece) => hash.update(piece), most);
        return hash.digest("hex");
      };
      const [sentUp, sentDown, gotUp, gotDown] = await Promise.all([
        send(client, 1),
        send(server, 2),
        receive(server, 10_007),
        receive(client, 131_071),
      ]);
      expect(gotUp).toBe(sentUp);
      expect(gotDown).toBe(sentDown);
    });

    test("200 connections at once keep their bytes apart", async () => {
      const p = program();
      const listener = p.listener();
      const COUNT = 200;
      const serve = async (): Promise<void> => {
        const served: Promise<void>[] = [];
        for (let i = 0; i < COUNT; i++) {
          const fd = await p.accept(listener);
          served.push(
            p.readText(fd).then(async (text) => {
              await p.write(fd, `${text} back`);
              p.close(fd);
            }),
          );
        }
        await Promise.all(served);
      };
      const call = async (i: number): Promise<string> => {
        const fd = p.stream();
        ok(await p.connect(fd, p.name(listener)));
        await p.write(fd, `connection ${i}`);
        ok(p.sys.shutdown(fd, SHUT_WR));
        return p.readText(fd);
      };
      const calls = Array.from({ length: COUNT }, (_, i) => call(i));
      const [answers] = await Promise.all([Promise.all(calls), serve()]);
      expect(answers).toEqual(Array.from({ length: COUNT }, (_, i) => `connection ${i} back`));
    });
  });
};
