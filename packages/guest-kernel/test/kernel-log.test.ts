import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import { expect, test } from "vitest";
import { KernelLog } from "../src/kernel/klog.ts";
import { traced } from "../src/kernel/strace.ts";
import { TestGuest } from "./guest.ts";

test("the log shows seconds since boot and the message", () => {
  let seconds = 0;
  const log = new KernelLog(() => seconds);
  log.write("booting");
  seconds = 12.3456789;
  log.write("later");
  expect(log.text()).toBe("[    0.000000] booting\n[   12.345679] later\n");
});

test("a full log keeps its last bytes, in order", () => {
  const log = new KernelLog(() => 0, 40);
  log.write("first");
  log.write("second");
  log.write("third");
  expect(log.text()).toBe("   0.000000] second\n[    0.000000] third\n".slice(-40));
});

test("moved to other memory, the log goes on with what it had and publishes its tail", () => {
  const log = new KernelLog(() => 0, 4096);
  log.write("before");
  const bytes = new Uint8Array(4096);
  const tails: number[] = [];
  log.moveTo({ bytes, publish: (tail) => tails.push(tail) });
  log.write("after");
  const text = "[    0.000000] before\n[    0.000000] after\n";
  expect(log.text()).toBe(text);
  expect(tails).toEqual([22, 43]);
  expect(Buffer.from(bytes.subarray(0, 43)).toString()).toBe(text);
});

test("the kernel logs its boot, its families and its processes", () => {
  const at = new TestGuest("web-1");
  const lines = at.kernel.log.text().split("\n");
  expect(lines[0]).toMatch(/^\[ {4}0\.000000\] Outsock guest kernel .* booting on "web-1"$/);
  expect(lines[1]).toMatch('protocol family "loopback" registered for AF_INET, AF_INET6');
  expect(lines[2]).toMatch("process 2 (test) started");
});

test("strace prints calls with arguments, bytes and results", () => {
  const at = new TestGuest();
  const lines: string[] = [];
  const sys = traced(at.sys, (line) => lines.push(line));
  const fd = sys.socket(AF_INET, SOCK_STREAM, 0);
  sys.bind(fd, { family: AF_INET, address: "127.0.0.1", port: 80 });
  sys.getsockname(fd);
  const pipe = sys.pipe2() as [number, number];
  sys.write(pipe[1], Buffer.from(`GET / HTTP/1.1\r\n${"x".repeat(32)}`));
  sys.read(pipe[0], new Uint8Array(6));
  sys.read(pipe[1], new Uint8Array(6));
  sys.writev(pipe[1], [Buffer.from("a"), Buffer.from("b")]);
  sys.epoll_wait(99, 1, 0, () => {});
  sys.epoll_ctl(7, 1, 3, 1, new Map());
  expect(lines).toEqual([
    "socket(2, 1, 0) = 4",
    'bind(4, {family=2, address="127.0.0.1", port=80}) = 0',
    'getsockname(4) = {family=2, address="127.0.0.1", port=80}',
    "pipe2() = [5, 6]",
    'write(6, "GET / HTTP/1.1\\r\\nxxxxxxxxxxxxxxxx"...) = 48',
    'read(5, "GET / ") = 6',
    'read(6, "") = -1 EBADF',
    'writev(6, ["a", "b"]) = 2',
    "epoll_wait(99, 1, 0, thread) = -1 EBADF",
    "epoll_ctl(7, 1, 3, 1, ptr) = -1 EBADF",
  ]);
});

test("a traced object gives the same answers and what is no call", () => {
  const at = new TestGuest();
  const sys = traced(at.sys, () => {});
  expect(sys.getpid()).toBe(2);
  expect(sys.uname()).toEqual(at.sys.uname());
});

test("/proc/net shows sockets as Linux does", () => {
  const at = new TestGuest();
  const { sys } = at;
  const address = (family: number, host: string, port: number) => ({
    family,
    address: host,
    port,
  });
  const listener = sys.socket(AF_INET, SOCK_STREAM, 0);
  sys.bind(listener, address(AF_INET, "127.0.0.1", 8080));
  sys.listen(listener, 5);
  const client = sys.socket(AF_INET, SOCK_STREAM, 0);
  sys.bind(client, address(AF_INET, "127.0.0.1", 40001));
  sys.connect(client, address(AF_INET, "127.0.0.1", 8080));
  const accepted = sys.accept4(listener);
  sys.write(client, Buffer.from("hello"));
  expect(accepted).toBeGreaterThan(0);
  const header =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
  const row = (n: number, rest: string, queues = "00000000:00000000"): string =>
    `   ${n}: ${rest} ${queues} 00:00000000 00000000     0        0 ${n + 1}`;
  expect(sys.readText("/proc/net/tcp")).toBe(
    `${[
      header,
      row(0, "0100007F:1F90 00000000:0000 0A"),
      row(1, "0100007F:9C41 0100007F:1F90 01"),
      row(2, "0100007F:1F90 0100007F:9C41 01", "00000000:00000005"),
    ].join("\n")}\n`,
  );
  const six = sys.socket(AF_INET6, SOCK_DGRAM, 0);
  sys.bind(six, address(AF_INET6, "::1", 53));
  const mapped = sys.socket(AF_INET6, SOCK_DGRAM, 0);
  sys.bind(mapped, address(AF_INET6, "::ffff:127.0.0.2", 54));
  expect(sys.readText("/proc/net/udp6")).toBe(
    `${[
      header,
      row(0, `${"0".repeat(24)}01000000:0035 ${"0".repeat(32)}:0000 07`),
      row(1, `${"0".repeat(16)}FFFF00000200007F:0036 ${"0".repeat(32)}:0000 07`),
    ].join("\n")}\n`,
  );
  expect(sys.readText("/proc/net/tcp6")).toBe(`${header}\n`);
  expect(sys.readText("/proc/net/udp")).toBe(`${header}\n`);
});

test("a file that is not there is ENOENT", () => {
  const at = new TestGuest();
  expect(at.sys.readText("/proc/net/nosuch")).toBe(-2);
});
