import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, ERRNO } from "@outsock/abi";
import { expect, test } from "vitest";
import { DescriptorTable } from "../src/kernel/descriptor-table.ts";
import { OpenFile } from "../src/kernel/open-file.ts";
import { TestGuest, until } from "./guest.ts";

class CountingFile extends OpenFile {
  readonly kind = "file";
  released = 0;

  poll(): number {
    return 0;
  }

  release(): void {
    this.released++;
  }
}

function pipe(at: TestGuest): [number, number] {
  const ends = at.sys.pipe2();
  if (typeof ends === "number") throw new Error("no pipe");
  return ends;
}

test("the lowest free number is given, from 3 on", () => {
  const table = new DescriptorTable(100);
  const install = (): number => table.install(new CountingFile());
  expect([install(), install(), install(), install()]).toEqual([3, 4, 5, 6]);
  table.close(5);
  table.close(3);
  expect([install(), install(), install()]).toEqual([3, 5, 7]);
});

test("at the limit EMFILE, and a number again after a close", () => {
  const table = new DescriptorTable(5);
  expect(table.install(new CountingFile())).toBe(3);
  expect(table.full).toBe(false);
  expect(table.install(new CountingFile())).toBe(4);
  expect(table.full).toBe(true);
  expect(table.install(new CountingFile())).toBe(-ERRNO.EMFILE);
  expect(table.close(3)).toBe(0);
  expect(table.install(new CountingFile())).toBe(3);
});

test("a file is released with its last descriptor", () => {
  const table = new DescriptorTable(10);
  const file = new CountingFile();
  const [a, b] = [table.install(file), table.install(file)];
  table.close(a);
  expect(file.released).toBe(0);
  table.close(b);
  expect(file.released).toBe(1);
  expect(table.close(b)).toBe(-ERRNO.EBADF);
  expect(file.released).toBe(1);
});

test("a process that ends closes what it left open", () => {
  const at = new TestGuest();
  const process = at.kernel.spawn(9, "ends");
  const file = new CountingFile();
  process.descriptors.install(file);
  at.kernel.processes.exit(process);
  expect(file.released).toBe(1);
  expect(at.kernel.processes.list().map((p) => p.pid)).not.toContain(9);
});

test("a pipe gives bytes in order, EAGAIN when empty, the end when the writer is gone", () => {
  const at = new TestGuest();
  const [r, w] = pipe(at);
  const target = new Uint8Array(4);
  expect(at.sys.read(r, target)).toBe(-ERRNO.EAGAIN);
  expect(at.sys.write(w, Buffer.from("abc"))).toBe(3);
  expect(at.sys.write(w, Buffer.from("def"))).toBe(3);
  expect(at.sys.available(r)).toBe(6);
  expect(at.sys.read(r, target)).toBe(4);
  expect(Buffer.from(target).toString()).toBe("abcd");
  at.sys.close(w);
  expect(at.sys.read(r, target)).toBe(2);
  expect(at.sys.read(r, target)).toBe(0);
});

test("a pipe holds 65536 bytes; a write of up to 4096 goes whole or not at all", () => {
  const at = new TestGuest();
  const [r, w] = pipe(at);
  expect(at.sys.write(w, new Uint8Array(70_000))).toBe(65_536);
  expect(at.sys.write(w, new Uint8Array(1))).toBe(-ERRNO.EAGAIN);
  const entry = { fd: w, events: EPOLLOUT, revents: 0 };
  expect(at.sys.poll([entry])).toBe(0);
  expect(at.sys.read(r, new Uint8Array(4095))).toBe(4095);
  expect(at.sys.poll([entry])).toBe(0);
  expect(at.sys.write(w, new Uint8Array(4096))).toBe(-ERRNO.EAGAIN);
  expect(at.sys.write(w, new Uint8Array(5000))).toBe(4095);
  at.sys.read(r, new Uint8Array(4096));
  expect(at.sys.poll([entry])).toBe(1);
  expect(at.sys.write(w, new Uint8Array(4096))).toBe(4096);
});

test("a pipe's other end: EPIPE and EPOLLERR without a reader, EPOLLHUP without a writer", () => {
  const at = new TestGuest();
  const [r, w] = pipe(at);
  at.sys.close(r);
  expect(at.sys.write(w, new Uint8Array(1))).toBe(-ERRNO.EPIPE);
  const writer = { fd: w, events: EPOLLOUT, revents: 0 };
  at.sys.poll([writer]);
  expect(writer.revents).toBe(EPOLLOUT | EPOLLERR);
  const [r2, w2] = pipe(at);
  at.sys.close(w2);
  const reader = { fd: r2, events: EPOLLIN, revents: 0 };
  at.sys.poll([reader]);
  expect(reader.revents).toBe(EPOLLHUP);
});

test("each end of a pipe has its own way", () => {
  const at = new TestGuest();
  const [r, w] = pipe(at);
  expect(at.sys.read(w, new Uint8Array(1))).toBe(-ERRNO.EBADF);
  expect(at.sys.write(r, new Uint8Array(1))).toBe(-ERRNO.EBADF);
});

test("a timer expires, counts what nobody read, and is read once", () => {
  const at = new TestGuest();
  const fd = at.sys.timerfd_create();
  const count = new Uint8Array(8);
  const expirations = (): number | bigint => {
    const n = at.sys.read(fd, count);
    return n < 0 ? n : new DataView(count.buffer).getBigUint64(0, true);
  };
  expect(at.sys.timerfd_settime(fd, 30, 10)).toBe(0);
  expect(expirations()).toBe(-ERRNO.EAGAIN);
  expect(at.elapse()).toBe(30);
  expect(expirations()).toBe(1n);
  expect([at.elapse(), at.elapse(), at.elapse()]).toEqual([10, 10, 10]);
  expect(expirations()).toBe(3n);
  expect(expirations()).toBe(-ERRNO.EAGAIN);
  expect(at.sys.read(fd, new Uint8Array(7))).toBe(-ERRNO.EINVAL);
});

test("a timer set to 0 or closed is disarmed, one that is set again starts anew", () => {
  const at = new TestGuest();
  const fd = at.sys.timerfd_create();
  at.sys.timerfd_settime(fd, 30, 0);
  at.sys.timerfd_settime(fd, 50, 0);
  expect(at.armed).toBe(1);
  expect(at.elapse()).toBe(50);
  expect(at.armed).toBe(0);
  at.sys.timerfd_settime(fd, 5, 0);
  expect(at.sys.readable(fd)).toBe(false);
  at.sys.timerfd_settime(fd, 0, 0);
  expect(at.armed).toBe(0);
  at.sys.timerfd_settime(fd, 5, 5);
  at.sys.close(fd);
  expect(at.armed).toBe(0);
});

test("timer calls on what is no timer are EINVAL and EBADF", () => {
  const at = new TestGuest();
  const [r] = pipe(at);
  expect(at.sys.timerfd_settime(r, 1, 0)).toBe(-ERRNO.EINVAL);
  expect(at.sys.timerfd_settime(99, 1, 0)).toBe(-ERRNO.EBADF);
  expect(at.sys.timerfd_settime(at.sys.timerfd_create(), -1, 0)).toBe(-ERRNO.EINVAL);
});

test("poll leaves negative descriptors out and resumes once, by event or by time", async () => {
  const at = new TestGuest();
  const [r, w] = pipe(at);
  const entries = [
    { fd: -1, events: EPOLLIN, revents: 9 },
    { fd: r, events: EPOLLIN, revents: 0 },
  ];
  const resumed: number[] = [];
  expect(at.sys.poll(entries, 100, (ready) => resumed.push(ready))).toBe(0);
  expect(entries[0]!.revents).toBe(0);
  at.sys.write(w, Buffer.from("x"));
  at.sys.write(w, Buffer.from("y"));
  await until(() => resumed.length > 0);
  expect(resumed).toEqual([1]);
  expect(at.armed).toBe(0);
  at.sys.read(r, new Uint8Array(8));
  at.sys.poll(entries, 100, (ready) => resumed.push(ready));
  expect(at.elapse()).toBe(100);
  await until(() => resumed.length > 1);
  expect(resumed).toEqual([1, 0]);
});

test("epoll_wait resumes once when an event and the end of its time come together", async () => {
  const at = new TestGuest();
  const [r, w] = pipe(at);
  const epfd = at.sys.epoll_create1();
  at.sys.epoll_ctl(epfd, 1, r, EPOLLIN);
  const resumed: unknown[] = [];
  at.sys.epoll_wait(epfd, 8, 100, (events) => resumed.push(events));
  at.sys.write(w, Buffer.from("x"));
  at.elapse();
  await until(() => resumed.length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(resumed).toEqual([[{ events: EPOLLIN, data: r }]]);
});
