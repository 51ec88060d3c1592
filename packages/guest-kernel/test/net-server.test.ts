import { createRequire } from "node:module";
import type { LookupFunction, Server, Socket } from "node:net";
import { AF_INET, ERRNO, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import { expect, test } from "vitest";
import { Syscalls } from "../src/index.ts";
import { takeNatives } from "../src/node-compat/natives.ts";
import { installServer } from "../src/node-compat/net-server.ts";
import { GuestSocket } from "../src/node-compat/net-socket.ts";
import { TestGuest, until } from "./guest.ts";

test("a server without descriptors left closes what comes, as libuv does, and goes on after", async () => {
  const at = new TestGuest();
  const natives = takeNatives(createRequire(import.meta.url));
  GuestSocket.loop = at.loop;
  const lookup: LookupFunction = (host, _options, done) => done(null, host, 4);
  installServer(at.loop, natives, lookup);
  const accepted: Socket[] = [];
  const server: Server = natives.net.createServer((socket) => accepted.push(socket));
  server.listen(8080, "127.0.0.1");
  await until(() => server.listening);

  const peer = new Syscalls(at.kernel, at.kernel.spawn(3, "peer"));
  const connect = (): number => {
    const fd = peer.socket(AF_INET, SOCK_STREAM, 0);
    expect(peer.connect(fd, { family: AF_INET, address: "127.0.0.1", port: 8080 })).toBe(0);
    return fd;
  };
  const taken: number[] = [];
  for (;;) {
    const fd = at.sys.socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0) break;
    taken.push(fd);
  }
  const refused = [connect(), connect()];
  const end = new Uint8Array(1);
  await until(() => refused.every((fd) => peer.read(fd, end) === 0));
  expect(accepted).toHaveLength(0);

  for (const fd of taken) at.sys.close(fd);
  const served = connect();
  await until(() => accepted.length === 1);
  expect(peer.read(served, end)).toBe(-ERRNO.EAGAIN);
  accepted[0]!.destroy();
  server.close();
  await until(() => at.held === 0);
});
