import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bindInet,
  closeFd,
  getsockname,
  inetSocket,
  inNetworkNamespace,
  isSupported,
  listenFd,
  namespaceInode,
  namespaceOf,
  newNetworkNamespace,
  openNetworkNamespace,
  peerProcess,
  pidfdAlive,
  pidfdOpen,
} from "@outsock/hostsys";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BAD_FD, codeOf, ended, onLinux, start } from "./child.ts";

const root = isSupported() && process.getuid?.() === 0;

describe.skipIf(!root)("network namespaces [root]", () => {
  let ns: number;
  beforeAll(() => {
    ns = newNetworkNamespace();
  });
  afterAll(() => closeFd(ns));

  it("a thread that visited another namespace is back in its own", () => {
    const before = namespaceOf("self");
    const there = inNetworkNamespace(ns, () => namespaceOf("self"));
    expect(there).toBe(namespaceInode(ns));
    expect(there).not.toBe(before);
    expect(namespaceOf("self")).toBe(before);
    expect(namespaceOf(process.pid)).toBe(before);
  });

  it("work that throws leaves the thread in its own namespace", () => {
    const before = namespaceOf("self");
    const work = (): never => {
      throw new Error("from the work");
    };
    expect(() => inNetworkNamespace(ns, work)).toThrow("from the work");
    expect(namespaceOf("self")).toBe(before);
  });

  it("a socket made in another namespace binds there, beside one of the same port here", () => {
    const here = inetSocket("tcp");
    const there = inNetworkNamespace(ns, () => inetSocket("tcp"));
    try {
      bindInet(here, "0.0.0.0", 0);
      const { port } = getsockname(here);
      bindInet(there, "0.0.0.0", port);
      listenFd(there, 1);
      expect(getsockname(there).port).toBe(port);
    } finally {
      closeFd(here);
      closeFd(there);
    }
  });

  it("what is no network namespace is refused, and nothing runs", () => {
    let ran = false;
    const work = (): void => {
      ran = true;
    };
    expect(codeOf(() => inNetworkNamespace(BAD_FD, work))).toBe("EBADF");
    expect(ran).toBe(false);
    expect(codeOf(() => openNetworkNamespace(2 ** 22))).toBe("ENOENT");
  });
});

onLinux("the process behind a unix socket", () => {
  it("is named by pid, uid and a pidfd that tells its end", async () => {
    const directory = mkdtempSync(join(tmpdir(), "outsock-peer-"));
    const path = join(directory, "s");
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      const accepted = new Promise<import("node:net").Socket>((resolve) => {
        server.once("connection", resolve);
      });
      const child = start(
        `hs.unixConnect(${JSON.stringify(path)}); process.stdin.resume(); process.stdin.on("end", () => process.exit());`,
      );
      const socket = await accepted;
      const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
      const peer = peerProcess(fd);
      expect(peer.pid).toBe(child.pid);
      expect(peer.uid).toBe(process.getuid?.());
      expect(pidfdAlive(peer.pidfd)).toBe(true);
      child.stdin?.end();
      await ended(child);
      expect(pidfdAlive(peer.pidfd)).toBe(false);
      expect(codeOf(() => peerProcess(fd))).toBe("ESRCH");
      closeFd(peer.pidfd);
      socket.destroy();
    } finally {
      server.close();
      rmSync(directory, { recursive: true });
    }
  });

  it("pidfdAlive of this process holds", () => {
    const fd = pidfdOpen(process.pid);
    expect(pidfdAlive(fd)).toBe(true);
    closeFd(fd);
  });
});
