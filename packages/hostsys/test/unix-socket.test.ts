import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  closeFd,
  fileSize,
  ftruncate,
  memfdCreate,
  peerCredentials,
  recvWithFds,
  sendWithFds,
  socketpair,
  unixConnect,
} from "@outsock/hostsys";
import { afterEach, beforeEach, expect, it } from "vitest";
import { BAD_FD, codeOf, flagsOf, onLinux, openMemfds, resultOf } from "./child.ts";

const NAME = "hostsys-passed";
let directory: string;
let a: number;
let b: number;
let memfd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hostsys-"));
  [a, b] = socketpair();
  memfd = memfdCreate(NAME);
});

afterEach(() => {
  for (const fd of [a, b, memfd]) closeFd(fd);
  rmSync(directory, { recursive: true });
  expect(openMemfds(NAME)).toBe(0);
});

onLinux("descriptors in messages", () => {
  it("both ends of a pair are nonblocking and closed on exec", () => {
    for (const fd of [a, b]) {
      expect(flagsOf(fd)).toEqual({ nonblocking: true, closedOnExec: true });
    }
  });

  it("bytes and descriptors arrive; what is received is closed on exec", () => {
    ftruncate(memfd, 777);
    expect(sendWithFds(a, Buffer.from("hello"), [memfd, memfd])).toBe(5);
    const received = recvWithFds(b, 100, 2)!;
    expect(received.data.toString()).toBe("hello");
    expect(received.fds).toHaveLength(2);
    for (const fd of received.fds) {
      expect(fileSize(fd)).toBe(777);
      expect(flagsOf(fd).closedOnExec).toBe(true);
      closeFd(fd);
    }
  });

  it("nothing there: null; the end: no bytes", () => {
    expect(recvWithFds(b, 100, 1)).toBeNull();
    closeFd(a);
    expect(recvWithFds(b, 100, 1)).toEqual({ data: Buffer.alloc(0), fds: [] });
  });

  it("a message without descriptors, in parts", () => {
    expect(sendWithFds(a, Buffer.from("abcdef"), [])).toBe(6);
    expect(recvWithFds(b, 4, 0)).toEqual({ data: Buffer.from("abcd"), fds: [] });
    expect(recvWithFds(b, 4, 0)).toEqual({ data: Buffer.from("ef"), fds: [] });
    expect(sendWithFds(a, Buffer.alloc(0), [])).toBe(0);
  });

  it("received data is the caller's own: the next message does not change it", () => {
    sendWithFds(a, Buffer.from("first"), []);
    const { data } = recvWithFds(b, 5, 0)!;
    sendWithFds(a, Buffer.from("other"), []);
    recvWithFds(b, 5, 0);
    expect(data.toString()).toBe("first");
  });

  it("a megabyte goes as far as there is room, then EAGAIN", () => {
    const big = Buffer.alloc(2 ** 20, "x");
    const sent = sendWithFds(a, big, [memfd]);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(big.length);
    expect(codeOf(() => sendWithFds(a, big, []))).toBe("EAGAIN");
    let received = 0;
    for (;;) {
      const part = recvWithFds(b, 65_536, 1);
      if (part === null) break;
      received += part.data.length;
      expect(part.data.every((byte) => byte === 0x78)).toBe(true);
      part.fds.forEach(closeFd);
    }
    expect(received).toBe(sent);
  });

  it.each([0, 1, 2, 3, 4, 5])("more descriptors than %d: EMSGSIZE, and all are closed", (max) => {
    for (const extra of [1, 2, 3, 40]) {
      sendWithFds(a, Buffer.from("x"), new Array<number>(max + extra).fill(memfd));
      expect(codeOf(() => recvWithFds(b, 10, max))).toBe("EMSGSIZE");
      expect(openMemfds(NAME)).toBe(1);
    }
  });

  it("as many descriptors as allowed are fine, up to SCM_MAX_FD", () => {
    for (const count of [1, 2, 3, 253]) {
      sendWithFds(a, Buffer.from("x"), new Array<number>(count).fill(memfd));
      const { fds } = recvWithFds(b, 10, count)!;
      expect(fds).toHaveLength(count);
      fds.forEach(closeFd);
    }
    expect(codeOf(() => sendWithFds(a, Buffer.from("x"), new Array(254).fill(memfd)))).toBe(
      "EINVAL",
    );
  });

  it("descriptor limit reached while receiving: EMFILE, and all are closed", async () => {
    const result = await resultOf(
      `const [a, b] = hs.socketpair();
      const code = (call) => { try { call(); return "none"; } catch (e) { return e.code; } };
      const taken = [hs.memfdCreate("a")];
      while (code(() => taken.push(hs.dupFd(taken[0]))) === "none");
      hs.closeFd(taken.pop()); hs.closeFd(taken.pop());
      hs.sendWithFds(a, Buffer.from("x"), [taken[0], taken[0], taken[0], taken[0]]);
      const codes = [code(() => hs.recvWithFds(b, 1, 4))];
      for (let i = 0; i < 3; i++) codes.push(code(() => taken.push(hs.dupFd(taken[0]))));
      for (const fd of taken) hs.closeFd(fd);
      console.log(JSON.stringify(codes));`,
      "-n 64",
    );
    expect(result).toEqual(["EMFILE", "none", "none", "EMFILE"]);
  });

  it("hostile and wrong arguments are SysErrors, and leave the socket usable", () => {
    expect(codeOf(() => sendWithFds(a, Buffer.from("x"), [BAD_FD]))).toBe("EBADF");
    expect(codeOf(() => sendWithFds(a, Buffer.alloc(0), [memfd]))).toBe("EINVAL");
    expect(codeOf(() => sendWithFds(BAD_FD, Buffer.from("x"), []))).toBe("EBADF");
    expect(codeOf(() => recvWithFds(BAD_FD, 1, 1))).toBe("EBADF");
    expect(codeOf(() => recvWithFds(memfd, 1, 1))).toBe("ENOTSOCK");
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      expect(codeOf(() => recvWithFds(b, bad, 1))).toBe("EINVAL");
    }
    expect(codeOf(() => recvWithFds(b, 1, -1))).toBe("EINVAL");
    expect(recvWithFds(b, 1, 1)).toBeNull();
    closeFd(b);
    expect(codeOf(() => sendWithFds(a, Buffer.from("x"), [memfd]))).toBe("EPIPE");
  });

  it("messages survive garbage collection in between", async () => {
    expect(
      await resultOf(`import { setFlagsFromString } from "node:v8"; import { runInNewContext } from "node:vm";
      setFlagsFromString("--expose-gc"); const gc = runInNewContext("gc");
      const [a, b] = hs.socketpair(); const fd = hs.memfdCreate("m"); let good = 0;
      for (let i = 0; i < 300; i++) {
        hs.sendWithFds(a, Uint8Array.of(i, i + 1), [fd]);
        if (i % 10 === 0) gc(); else for (let j = 0; j < 200; j++) Buffer.alloc(64);
        const { data, fds } = hs.recvWithFds(b, 8, 1);
        if (data[0] === (i & 255) && data.length === 2 && fds.length === 1) good++;
        hs.closeFd(fds[0]);
      }
      console.log(good);`),
    ).toBe(300);
  });
});

onLinux("unixConnect", () => {
  function listening(path: string): Promise<Server> {
    return new Promise((resolve) => {
      const server = createServer();
      server.listen(path, () => resolve(server));
    });
  }

  it("connects, nonblocking and closed on exec, and tells who listens", async () => {
    const path = join(directory, "socket");
    const server = await listening(path);
    const fd = unixConnect(path);
    expect(flagsOf(fd)).toEqual({ nonblocking: true, closedOnExec: true });
    expect(recvWithFds(fd, 1, 0)).toBeNull();
    expect(peerCredentials(fd)).toEqual({
      pid: process.pid,
      uid: process.getuid!(),
      gid: process.getgid!(),
    });
    closeFd(fd);
    server.close();
  });

  it("a path of 107 bytes is the longest", async () => {
    const longest = join(directory, "x".repeat(107 - directory.length - 1));
    const server = await listening(longest);
    expect(closeFd(unixConnect(longest))).toBe(true);
    expect(codeOf(() => unixConnect(`${longest}x`))).toBe("ENAMETOOLONG");
    expect(codeOf(() => unixConnect(`/${"ü".repeat(54)}`))).toBe("ENAMETOOLONG");
    server.close();
  });

  it("missing, not listening, not a socket, no name", () => {
    expect(codeOf(() => unixConnect(join(directory, "none")))).toBe("ENOENT");
    writeFileSync(join(directory, "file"), "");
    expect(codeOf(() => unixConnect(join(directory, "file")))).toBe("ECONNREFUSED");
    expect(codeOf(() => unixConnect(join(directory, "file", "x")))).toBe("ENOTDIR");
    expect(codeOf(() => unixConnect(""))).toBe("ENOENT");
    expect(codeOf(() => unixConnect("\0abstract"))).toBe("ENOENT");
    expect(codeOf(() => unixConnect("/tmp\0x"))).toBe("ENOENT");
  });

  it("a connection that fails leaves no descriptor behind", () => {
    const count = () => readdirSync("/proc/self/fd").length;
    const before = count();
    for (let i = 0; i < 20; i++) expect(codeOf(() => unixConnect(directory))).toBe("ECONNREFUSED");
    expect(count()).toBe(before);
  });

  it("a socket that may not be written to: EACCES", async () => {
    const path = join(directory, "closed");
    expect(
      await resultOf(`import { createServer } from "node:net";
      const server = createServer().listen("${path}", () => {
        fs.chmodSync("${path}", 0o000); fs.chmodSync("${directory}", 0o755);
        hs.getrlimit("nofile");
        if (process.getuid() === 0) process.seteuid(65534);
        let code; try { hs.unixConnect("${path}"); } catch (e) { code = e.code; }
        if (process.getuid() === 0) process.seteuid(0);
        server.close(() => console.log(JSON.stringify(code)));
      });`),
    ).toBe("EACCES");
  });

  it("peerCredentials of a pair is this process; of a file ENOTSOCK", () => {
    expect(peerCredentials(a).pid).toBe(process.pid);
    expect(codeOf(() => peerCredentials(memfd))).toBe("ENOTSOCK");
    expect(codeOf(() => peerCredentials(BAD_FD))).toBe("EBADF");
  });
});
