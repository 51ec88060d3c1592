/** epoll(7), poll(2), and files of other kinds beside sockets. */
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  errnoName,
} from "@outsock/abi";
import { named, ok, type Program } from "./program.ts";
import type { Cases } from "./test-api.ts";

const POLLNVAL = 0x20;

interface Ready {
  data: unknown;
  events: number;
}

function readyNow(p: Program, epfd: number): Ready[] {
  const events = p.sys.epoll_wait(epfd, 16);
  if (typeof events === "number") throw new Error(`epoll_wait: ${errnoName(-events)}`);
  return events;
}

/** epoll_wait(2), blocking. */
function wait(p: Program, epfd: number, timeout = 15_000): Promise<Ready[]> {
  return new Promise((resolve) => {
    const events = p.sys.epoll_wait(epfd, 16, timeout, resolve);
    if (typeof events === "number") throw new Error(`epoll_wait: ${errnoName(-events)}`);
    if (events.length > 0) resolve(events);
  });
}

export const eventCases: Cases = ({ describe, test, expect }, program) => {
  const makeEpoll = (p: Program, fd: number, events: number): number => {
    const epfd = p.own(p.sys.epoll_create1());
    ok(p.sys.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, events));
    return epfd;
  };

  describe("epoll", () => {
    test("level-triggered: ready as long as bytes are left", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const epfd = makeEpoll(p, server, EPOLLIN);
      expect(readyNow(p, epfd)).toEqual([]);
      await p.write(client, "ab");
      expect(await wait(p, epfd)).toEqual([{ data: server, events: EPOLLIN }]);
      expect(readyNow(p, epfd)).toEqual([{ data: server, events: EPOLLIN }]);
      expect(await p.read(server, 1)).toBe("a");
      expect(readyNow(p, epfd)).toEqual([{ data: server, events: EPOLLIN }]);
      expect(await p.read(server, 1)).toBe("b");
      expect(readyNow(p, epfd)).toEqual([]);
    });

    test("edge-triggered: told once, and again when more comes", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const epfd = makeEpoll(p, server, EPOLLIN | EPOLLET);
      await p.write(client, "a");
      expect(await wait(p, epfd)).toEqual([{ data: server, events: EPOLLIN }]);
      expect(readyNow(p, epfd)).toEqual([]);
      await p.write(client, "b");
      expect(await wait(p, epfd)).toEqual([{ data: server, events: EPOLLIN }]);
      await p.until(server, EPOLLIN);
      expect(await p.read(server)).toBe("ab");
    });

    test("a connection that waits makes its listener readable", async () => {
      const p = program();
      const listener = p.listener();
      const epfd = makeEpoll(p, listener, EPOLLIN | EPOLLET);
      expect(readyNow(p, epfd)).toEqual([]);
      ok(await p.connect(p.stream(), p.name(listener)));
      expect(await wait(p, epfd)).toEqual([{ data: listener, events: EPOLLIN }]);
    });

    test("a connected socket is writable, its end is EPOLLRDHUP, both ends EPOLLHUP", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const epfd = makeEpoll(p, client, EPOLLOUT);
      expect(readyNow(p, epfd)).toEqual([{ data: client, events: EPOLLOUT }]);
      ok(p.sys.epoll_ctl(epfd, EPOLL_CTL_MOD, client, EPOLLIN | EPOLLRDHUP));
      p.close(server);
      expect(await wait(p, epfd)).toEqual([{ data: client, events: EPOLLIN | EPOLLRDHUP }]);
      ok(p.sys.shutdown(client, 1));
      expect(await wait(p, epfd)).toEqual([
        { data: client, events: EPOLLIN | EPOLLRDHUP | EPOLLHUP },
      ]);
    });

    test("an end of stream is told edge-triggered after bytes were", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const epfd = makeEpoll(p, server, EPOLLIN | EPOLLRDHUP | EPOLLET);
      await p.write(client, "a");
      await wait(p, epfd);
      expect(await p.read(server)).toBe("a");
      p.close(client);
      const [event] = await wait(p, epfd);
      expect(event!.events & EPOLLRDHUP).toBe(EPOLLRDHUP);
    });

    test("no event after EPOLL_CTL_DEL or close", async () => {
      const p = program();
      const { client, server } = await p.pair();
      const epfd = makeEpoll(p, server, EPOLLIN);
      await p.write(client, "a");
      await p.until(server, EPOLLIN);
      ok(p.sys.epoll_ctl(epfd, EPOLL_CTL_DEL, server, 0));
      expect(readyNow(p, epfd)).toEqual([]);
      ok(p.sys.epoll_ctl(epfd, EPOLL_CTL_ADD, server, EPOLLIN));
      expect(readyNow(p, epfd)).toHaveLength(1);
      p.close(server);
      expect(readyNow(p, epfd)).toEqual([]);
    });

    test("epoll_wait gives nothing after its time", async () => {
      const p = program();
      const epfd = makeEpoll(p, p.listener(), EPOLLIN);
      expect(await wait(p, epfd, 1)).toEqual([]);
    });
  });

  describe("poll", () => {
    test("poll finds what is ready among several, and POLLNVAL for a closed one", async () => {
      const p = program();
      const a = await p.pair();
      const b = await p.pair();
      await p.write(a.client, "x");
      await p.until(a.server, EPOLLIN);
      const closed = p.stream();
      p.close(closed);
      const entries = [a.server, b.server, b.client, closed].map((fd, i) => ({
        fd,
        events: i === 2 ? EPOLLOUT : EPOLLIN,
        revents: 0,
      }));
      expect(p.sys.poll(entries)).toBe(3);
      expect(entries.map(({ revents }) => revents)).toEqual([EPOLLIN, 0, EPOLLOUT, POLLNVAL]);
    });

    test("a blocked poll resumes when bytes come, and after its time", async () => {
      const p = program();
      const { client, server } = await p.pair();
      expect(await p.poll(server, EPOLLIN, 1)).toBe(0);
      const blocked = p.poll(server, EPOLLIN, -1);
      await p.write(client, "x");
      expect(await blocked).toBe(EPOLLIN);
    });
  });

  describe("other files", () => {
    test("a pipe and a timer wait in the same epoll as a socket", async () => {
      const p = program();
      const pipe = p.sys.pipe2();
      if (typeof pipe === "number") throw new Error("no pipe");
      const [r, w] = pipe.map((fd) => p.own(fd)) as [number, number];
      const timer = p.own(p.sys.timerfd_create());
      const epfd = makeEpoll(p, p.listener(), EPOLLIN);
      ok(p.sys.epoll_ctl(epfd, EPOLL_CTL_ADD, r, EPOLLIN));
      ok(p.sys.epoll_ctl(epfd, EPOLL_CTL_ADD, timer, EPOLLIN));
      expect(readyNow(p, epfd)).toEqual([]);
      await p.write(w, "through the pipe");
      expect(await wait(p, epfd)).toEqual([{ data: r, events: EPOLLIN }]);
      expect(await p.read(r)).toBe("through the pipe");
      ok(p.sys.timerfd_settime(timer, 1, 0));
      expect(await wait(p, epfd)).toEqual([{ data: timer, events: EPOLLIN }]);
      const count = new Uint8Array(8);
      expect(p.sys.read(timer, count)).toBe(8);
      expect([...count]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
      expect(named(p.sys.read(timer, count))).toBe("EAGAIN");
    });
  });
};
