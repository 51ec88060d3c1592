import * as dgram from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AF_UNIX,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  SHUT_WR,
  SO_ERROR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeKernel, mountUnix, Syscalls } from "../src/index.ts";

let directory: string;
let path: string;
let server: net.Server;
const kernel = makeKernel("guest", { defer: setImmediate, betweenThreads: () => {} });
mountUnix(kernel, { net, dgram });
const sys = new Syscalls(kernel, kernel.spawn(2, "test"));

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "outsock-unix-"));
  path = join(directory, "echo.sock");
  server = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  server.listen(path);
  await once(server, "listening");
});

afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

const unix = (address: string) => ({ family: AF_UNIX, address, port: 0 });

function until(fd: number, events: number): Promise<number> {
  const entries = [{ fd, events, revents: 0 }];
  return new Promise((resolve) => {
    if (sys.poll(entries, -1, () => resolve(entries[0]!.revents)) > 0) resolve(entries[0]!.revents);
  });
}

async function connect(to: string): Promise<{ fd: number; error: number }> {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM, 0);
  expect(sys.connect(fd, unix(to))).toBe(-ERRNO.EINPROGRESS);
  expect(sys.connect(fd, unix(to))).toBe(-ERRNO.EALREADY);
  await until(fd, EPOLLOUT);
  return { fd, error: sys.getsockopt(fd, SOL_SOCKET, SO_ERROR).value };
}

test("a socket connected by path carries bytes both ways, and its half-close", async () => {
  const { fd, error } = await connect(path);
  expect(error).toBe(0);
  expect(sys.connect(fd, unix(path))).toBe(-ERRNO.EISCONN);
  expect(sys.write(fd, Buffer.from("to the path"))).toBe(11);
  await until(fd, EPOLLIN);
  const target = Buffer.alloc(32);
  expect(sys.read(fd, target)).toBe(11);
  expect(target.toString("latin1", 0, 11)).toBe("to the path");
  expect(sys.shutdown(fd, SHUT_WR)).toBe(0);
  await until(fd, EPOLLIN);
  expect(sys.read(fd, target)).toBe(0);
  sys.close(fd);
});

test("names: none of its own, the peer's is the path", async () => {
  const { fd } = await connect(path);
  expect(sys.getsockname(fd)).toEqual(unix(""));
  expect(sys.getpeername(fd)).toEqual(unix(path));
  sys.close(fd);
});

test("a path that is not there is ENOENT, one that nobody serves ECONNREFUSED", async () => {
  const missing = await connect(join(directory, "missing.sock"));
  expect(missing.error).toBe(ERRNO.ENOENT);
  expect(sys.getpeername(missing.fd)).toBe(-ERRNO.ENOTCONN);
  expect(sys.read(missing.fd, Buffer.alloc(1))).toBe(-ERRNO.EINVAL);
  const file = join(directory, "plain");
  writeFileSync(file, "");
  const plain = await connect(file);
  expect(plain.error).toBe(ERRNO.ECONNREFUSED);
  sys.close(missing.fd);
  sys.close(plain.fd);
});

test("datagram sockets and options of TCP are refused", async () => {
  expect(sys.socket(AF_UNIX, SOCK_DGRAM, 0)).toBe(-ERRNO.ESOCKTNOSUPPORT);
  const { fd } = await connect(path);
  expect(sys.setsockopt(fd, 6, 1, 1)).toBe(-ERRNO.EOPNOTSUPP);
  expect(sys.bind(fd, unix(path))).toBe(-ERRNO.EOPNOTSUPP);
  sys.close(fd);
});

test("closed while it connects, it is gone", () => {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM, 0);
  sys.connect(fd, unix(path));
  expect(sys.close(fd)).toBe(0);
  expect(sys.close(fd)).toBe(-ERRNO.EBADF);
});

test("without the family, AF_UNIX is not supported", () => {
  const bare = makeKernel("bare", { defer: setImmediate, betweenThreads: () => {} });
  const calls = new Syscalls(bare, bare.spawn(2, "test"));
  expect(calls.socket(AF_UNIX, SOCK_STREAM, 0)).toBe(-ERRNO.EAFNOSUPPORT);
});
