import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, ERRNO } from "@outsock/abi";
import { expect, test } from "vitest";
import { Epoll } from "../src/kernel/epoll.ts";
import { OpenFile } from "../src/kernel/open-file.ts";
import { TextFile } from "../src/kernel/text-file.ts";

const EPOLLONESHOT = 1 << 30;

class FakeFile extends OpenFile {
  readonly kind = "socket";
  private readiness = 0;

  set(readiness: number): void {
    this.readiness = readiness;
    this.changed();
  }

  poll(): number {
    return this.readiness;
  }

  release(): void {}
}

function epollOf(events: number): { epoll: Epoll; file: FakeFile; woken: (() => void)[] } {
  const woken: (() => void)[] = [];
  const epoll = new Epoll((thread) => woken.push(thread));
  const file = new FakeFile();
  expect(epoll.add(5, file, events, "five")).toBe(0);
  return { epoll, file, woken };
}

test("level-triggered: given as long as it is ready", () => {
  const { epoll, file } = epollOf(EPOLLIN);
  expect(epoll.take(8)).toEqual([]);
  file.set(EPOLLIN | EPOLLOUT);
  expect(epoll.take(8)).toEqual([{ events: EPOLLIN, data: "five" }]);
  expect(epoll.take(8)).toEqual([{ events: EPOLLIN, data: "five" }]);
  file.set(EPOLLOUT);
  expect(epoll.take(8)).toEqual([]);
});

test("edge-triggered: given once for each change", () => {
  const { epoll, file } = epollOf(EPOLLIN | EPOLLET);
  file.set(EPOLLIN);
  file.set(EPOLLIN);
  expect(epoll.take(8)).toEqual([{ events: EPOLLIN, data: "five" }]);
  expect(epoll.take(8)).toEqual([]);
  file.set(EPOLLIN);
  expect(epoll.take(8)).toHaveLength(1);
});

test("ready before it is added: given", () => {
  const file = new FakeFile();
  file.set(EPOLLIN);
  const epoll = new Epoll(() => {});
  epoll.add(3, file, EPOLLIN | EPOLLET, 3);
  expect(epoll.take(1)).toEqual([{ events: EPOLLIN, data: 3 }]);
});

test("errors and hang-ups are given unasked", () => {
  const { epoll, file } = epollOf(0);
  file.set(EPOLLERR | EPOLLHUP | EPOLLIN);
  expect(epoll.take(8)).toEqual([{ events: EPOLLERR | EPOLLHUP, data: "five" }]);
});

test("what is no longer ready when it is taken is left out", () => {
  const { epoll, file } = epollOf(EPOLLIN | EPOLLET);
  file.set(EPOLLIN);
  file.set(0);
  expect(epoll.take(8)).toEqual([]);
  file.set(EPOLLIN);
  expect(epoll.take(8)).toHaveLength(1);
});

test("at most so many as asked, the others first the next time", () => {
  const epoll = new Epoll(() => {});
  const files = [1, 2, 3].map((fd) => {
    const file = new FakeFile();
    epoll.add(fd, file, EPOLLIN, fd);
    file.set(EPOLLIN);
    return file;
  });
  expect(files).toHaveLength(3);
  expect(epoll.take(2).map((e) => e.data)).toEqual([1, 2]);
  expect(epoll.take(2).map((e) => e.data)).toEqual([3, 1]);
});

test("modify gives what is ready by the new events, removed items give nothing", () => {
  const { epoll, file } = epollOf(EPOLLIN);
  file.set(EPOLLOUT);
  expect(epoll.take(8)).toEqual([]);
  expect(epoll.modify(5, EPOLLOUT, "out")).toBe(0);
  expect(epoll.take(8)).toEqual([{ events: EPOLLOUT, data: "out" }]);
  expect(epoll.remove(5)).toBe(0);
  expect(epoll.take(8)).toEqual([]);
  file.set(EPOLLIN | EPOLLOUT);
  expect(epoll.take(8)).toEqual([]);
});

test("a file that is gone takes its item along, also one that is queued", () => {
  const { epoll, file } = epollOf(EPOLLIN);
  file.set(EPOLLIN);
  file.end();
  expect(epoll.take(8)).toEqual([]);
  const next = new FakeFile();
  expect(epoll.add(5, next, EPOLLIN, "next")).toBe(0);
  next.set(EPOLLIN);
  expect(epoll.take(8)).toEqual([{ events: EPOLLIN, data: "next" }]);
});

test("a number that another file has now replaces the stale item", () => {
  const { epoll, file } = epollOf(EPOLLIN);
  const next = new FakeFile();
  expect(epoll.add(5, next, EPOLLIN, "next")).toBe(0);
  file.set(EPOLLIN);
  expect(epoll.take(8)).toEqual([]);
});

test("an item that its own event takes out is not given by a file that still tells others", () => {
  const file = new FakeFile();
  const epoll = new Epoll(() => {});
  file.watch({ changed: () => epoll.remove(5) });
  epoll.add(5, file, EPOLLIN, 5);
  file.set(EPOLLIN);
  expect(epoll.take(8)).toEqual([]);
});

test("what cannot be: EEXIST, ENOENT, EINVAL for one-shot and for itself, EPERM for plain files", () => {
  const { epoll, file } = epollOf(EPOLLIN);
  expect(epoll.add(5, file, EPOLLIN, 0)).toBe(-ERRNO.EEXIST);
  expect(epoll.modify(6, EPOLLIN, 0)).toBe(-ERRNO.ENOENT);
  expect(epoll.remove(6)).toBe(-ERRNO.ENOENT);
  expect(epoll.add(6, new FakeFile(), EPOLLIN | EPOLLONESHOT, 0)).toBe(-ERRNO.EINVAL);
  expect(epoll.modify(5, EPOLLIN | EPOLLONESHOT, 0)).toBe(-ERRNO.EINVAL);
  expect(epoll.add(6, epoll, EPOLLIN, 0)).toBe(-ERRNO.EINVAL);
  expect(epoll.add(6, new TextFile("text"), EPOLLIN, 0)).toBe(-ERRNO.EPERM);
});

test("a parked thread is woken once, at once when something is ready already", () => {
  const { epoll, file, woken } = epollOf(EPOLLIN);
  const thread = (): void => {};
  epoll.park(thread);
  expect(woken).toEqual([]);
  file.set(EPOLLIN);
  file.set(EPOLLIN);
  expect(woken).toEqual([thread]);
  epoll.park(thread);
  expect(woken).toEqual([thread, thread]);
});

test("an epoll in an epoll is readable when it has something", () => {
  const { epoll, file } = epollOf(EPOLLIN);
  const outer = new Epoll(() => {});
  outer.add(9, epoll, EPOLLIN, "inner");
  expect(outer.take(1)).toEqual([]);
  file.set(EPOLLIN);
  expect(outer.take(1)).toEqual([{ events: EPOLLIN, data: "inner" }]);
});

test("a closed epoll is not told any more", () => {
  const { epoll, file, woken } = epollOf(EPOLLIN);
  epoll.park(() => {});
  epoll.end();
  file.set(EPOLLIN);
  expect(woken).toEqual([]);
});
