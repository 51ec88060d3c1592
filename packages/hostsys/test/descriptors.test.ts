import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  closeFd,
  drainBytes,
  dupFd,
  flockExclusive,
  getrlimit,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  pidfdOpen,
  pollFds,
  processStartTime,
  sendByte,
  sendWithFds,
  setCloexec,
  socketpair,
  waitReadable,
} from "@outsock/hostsys";
import { expect, it, vi } from "vitest";
import { BAD_FD, codeOf, ended, flagsOf, onLinux, resultOf, start } from "./child.ts";

function withPair(body: (a: number, b: number) => void): void {
  const [a, b] = socketpair();
  try {
    body(a, b);
  } finally {
    closeFd(a);
    closeFd(b);
  }
}

onLinux("doorbell", () => {
  it("bytes that are sent are drained, and counted", () => {
    withPair((a, b) => {
      expect(drainBytes(b)).toBe(0);
      expect([sendByte(a), sendByte(a), sendByte(a)]).toEqual([true, true, true]);
      expect(drainBytes(b)).toBe(3);
      expect(drainBytes(b)).toBe(0);
    });
  });

  it("a full socket: sendByte is true without sending, all that was sent is drained", () => {
    withPair((a, b) => {
      let sent = 0;
      for (; pollFds([{ fd: a, events: POLLOUT }], 0)[0] !== 0; sent++)
        expect(sendByte(a)).toBe(true);
      expect(sendByte(a)).toBe(true);
      expect(drainBytes(b)).toBeGreaterThanOrEqual(sent);
      expect(drainBytes(b)).toBe(0);
    });
  });

  it("peer closed: sendByte is false and drainBytes -1, without a signal", () => {
    const [a, b] = socketpair();
    closeFd(b);
    expect(sendByte(a)).toBe(false);
    expect(drainBytes(a)).toBe(-1);
    closeFd(a);
  });

  it("peer closed after sending: the bytes first, then -1", () => {
    const [a, b] = socketpair();
    sendByte(a);
    sendByte(a);
    closeFd(a);
    expect([drainBytes(b), drainBytes(b), drainBytes(b)]).toEqual([2, -1, -1]);
    closeFd(b);
  });

  it("peer closed with bytes unread (ECONNRESET): -1", () => {
    const [a, b] = socketpair();
    sendByte(a);
    closeFd(b);
    expect([drainBytes(a), drainBytes(a)]).toEqual([-1, -1]);
    closeFd(a);
  });

  it("peer closed just behind a full read: the bytes first, then -1", () => {
    const [a, b] = socketpair();
    sendWithFds(a, Buffer.alloc(4096), []);
    closeFd(a);
    expect([drainBytes(b), drainBytes(b)]).toEqual([4096, -1]);
    closeFd(b);
  });

  it("a socket that somebody made blocking: still neither call blocks", async () => {
    const result = await resultOf(`
      import koffi from "koffi";
      const fcntl = koffi.load(null).func("int fcntl(int fd, int command, ...)");
      const [a, b] = hs.socketpair();
      for (const fd of [a, b]) fcntl(fd, 4, "int", 0);
      const empty = hs.drainBytes(b);
      for (let i = 0; i < 5000; i++) hs.sendByte(a);
      console.log(JSON.stringify([empty, hs.sendByte(a), hs.drainBytes(b) > 0]));`);
    expect(result).toEqual([0, true, true]);
  });

  it("no descriptor, or no socket: gone", () => {
    const file = openSync(import.meta.filename, "r");
    for (const bad of [-1, BAD_FD, file]) {
      expect(sendByte(bad)).toBe(false);
      expect(drainBytes(bad)).toBe(-1);
    }
    closeFd(file);
  });

  it("a peer that sends without end does not hold drainBytes for ever", async () => {
    const [a, b] = socketpair();
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
      const bytes = Buffer.alloc(65536);
      parentPort.postMessage("sending");
      for (;;) try { require("node:fs").writeSync(workerData, bytes); } catch (error) {
        if (error.code !== "EAGAIN") break;
      }`,
      { eval: true, workerData: a },
    );
    await new Promise((resolve) => worker.once("message", resolve));
    for (let i = 0; i < 200; i++) {
      waitReadable(b, -1);
      expect(drainBytes(b)).toBeLessThanOrEqual(65_536);
    }
    closeFd(b);
    await new Promise((resolve) => worker.once("exit", resolve));
    closeFd(a);
  });
});

onLinux("poll", () => {
  it("waitReadable: false after the time, true when a byte is there", () => {
    withPair((a, b) => {
      const begin = performance.now();
      expect(waitReadable(b, 25)).toBe(false);
      expect(performance.now() - begin).toBeGreaterThanOrEqual(24);
      sendByte(a);
      expect(waitReadable(b, -1)).toBe(true);
      expect(waitReadable(b, Number.POSITIVE_INFINITY)).toBe(true);
      expect(waitReadable(b, 2 ** 40)).toBe(true);
    });
  });

  it("waitReadable: true at the end, and for a bad descriptor", () => {
    const [a, b] = socketpair();
    closeFd(a);
    expect(waitReadable(b, -1)).toBe(true);
    closeFd(b);
    expect(waitReadable(BAD_FD, -1)).toBe(true);
  });

  it("pollFds gives each entry's events; an entry of -1 is passed over", () => {
    const [a, b] = socketpair();
    const [c, d] = socketpair();
    sendByte(a);
    closeFd(d);
    const events = [a, b, c, -1, BAD_FD].map((fd) => ({ fd, events: POLLIN }));
    expect(pollFds(events, -1)).toEqual([0, POLLIN, POLLIN | POLLHUP, 0, POLLNVAL]);
    expect(pollFds([{ fd: a, events: POLLIN | POLLOUT }], 0)).toEqual([POLLOUT]);
    expect(pollFds([], 0)).toEqual([]);
    for (const fd of [a, b, c]) closeFd(fd);
  });

  it("a signal that arrives while waiting does not end the wait", async () => {
    const child = start(`
      process.on("SIGUSR2", () => {});
      hs.waitReadable(0, 0);
      fs.writeSync(1, "waiting ");
      fs.writeSync(1, String(hs.waitReadable(0, 600_000)));`);
    const result = ended(child);
    const status = () => readFileSync(`/proc/${child.pid}/status`, "utf8");
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    // Asleep in poll(2), then: the signal is taken, asleep again.
    await vi.waitUntil(() => /^State:\tS/m.test(status()), { timeout: 30_000, interval: 2 });
    child.kill("SIGUSR2");
    await vi.waitUntil(() => /^ShdPnd:\t0+$/m.test(status()), { timeout: 30_000, interval: 2 });
    await vi.waitUntil(() => /^State:\tS/m.test(status()), { timeout: 30_000, interval: 2 });
    child.stdin!.end("x");
    expect(await result).toMatchObject({ out: "waiting true", err: "", code: 0 });
  });
});

onLinux("signals that keep coming", () => {
  it("do not prolong a wait", async () => {
    const result = await resultOf(`
      import { once } from "node:events";
      import { Worker } from "node:worker_threads";
      process.on("SIGUSR2", () => {});
      const [a] = hs.socketpair();
      const worker = new Worker(\`
        const { parentPort } = require("node:worker_threads");
        parentPort.postMessage("up");
        const word = new Int32Array(new SharedArrayBuffer(4));
        for (;;) { process.kill(process.pid, "SIGUSR2"); Atomics.wait(word, 0, 0, 10); }\`,
        { eval: true, execArgv: [] });
      await once(worker, "message");
      const ready = hs.waitReadable(a, 200);
      await worker.terminate();
      console.log(ready);`);
    expect(result).toBe(false);
  });
});

onLinux("descriptors", () => {
  it("closeFd tells whether it was open", () => {
    const [a, b] = socketpair();
    expect([closeFd(a), closeFd(a), closeFd(b), closeFd(-1)]).toEqual([true, false, true, false]);
  });

  it("dupFd is another descriptor of the same socket, closed on exec", () => {
    withPair((a, b) => {
      const copy = dupFd(a);
      expect(copy).not.toBe(a);
      expect(flagsOf(copy)).toEqual({ nonblocking: true, closedOnExec: true });
      sendByte(copy);
      expect(drainBytes(b)).toBe(1);
      closeFd(copy);
    });
    expect(codeOf(() => dupFd(BAD_FD))).toBe("EBADF");
  });

  it("setCloexec", () => {
    withPair((a) => {
      setCloexec(a, false);
      expect(flagsOf(a).closedOnExec).toBe(false);
      setCloexec(a, true);
      expect(flagsOf(a).closedOnExec).toBe(true);
    });
    expect(codeOf(() => setCloexec(-1, true))).toBe("EBADF");
  });

  it("flockExclusive: false while another open file holds the lock", () => {
    const directory = mkdtempSync(join(tmpdir(), "hostsys-"));
    const [first, second] = [0, 1].map(() => openSync(join(directory, "lock"), "w"));
    expect([flockExclusive(first!), flockExclusive(second!)]).toEqual([true, false]);
    expect(flockExclusive(first!)).toBe(true);
    closeFd(first!);
    expect(flockExclusive(second!)).toBe(true);
    closeFd(second!);
    rmSync(directory, { recursive: true });
    expect(codeOf(() => flockExclusive(BAD_FD))).toBe("EBADF");
  });

  it("no descriptors left: EMFILE from whatever makes one, and nothing leaks", async () => {
    const result = await resultOf(
      `import { createServer } from "node:net";
      import { mkdtempSync } from "node:fs";
      const directory = mkdtempSync("/tmp/hostsys-");
      const path = directory + "/s";
      const server = createServer().listen(path, () => {
        const code = (call) => { try { call(); return "none"; } catch (e) { return e.code; } };
        code(() => hs.pidfdOpen(process.pid));
        const taken = [hs.memfdCreate("a")];
        for (;;) { const fd = (() => { try { return hs.dupFd(taken[0]); } catch { return -1; } })(); if (fd < 0) break; taken.push(fd); }
        const codes = [
          () => hs.memfdCreate("b"), () => hs.socketpair(), () => hs.dupFd(taken[0]),
          () => hs.inetSocket("tcp"), () => hs.unixConnect(path), () => hs.pidfdOpen(process.pid),
        ].map(code);
        hs.closeFd(taken.pop());
        codes.push(code(() => hs.socketpair()), code(() => taken.push(hs.memfdCreate("c"))));
        for (const fd of taken) hs.closeFd(fd);
        server.close(() => { fs.rmSync(directory, { recursive: true }); console.log(JSON.stringify(codes)); });
      });`,
      "-n 64",
    );
    expect(result).toEqual([...new Array(7).fill("EMFILE"), "none"]);
  });
});

onLinux("limits and processes", () => {
  it("getrlimit tells what the shell has set, Infinity for unlimited", async () => {
    const print =
      'console.log(JSON.stringify(["nofile", "fsize", "as"].map((r) => { const { soft, hard } = hs.getrlimit(r); return [String(soft), String(hard)]; })));';
    const limited = (await resultOf(print, "-n 99")) as string[][];
    expect(limited[0]).toEqual(["99", "99"]);
    const [, fsize] = (await resultOf(print, "-f 8")) as string[][];
    // Blocks of 512 bytes in sh (POSIX), of 1024 in bash.
    expect(fsize![0]).toMatch(/^(4096|8192)$/);
    const { soft, hard } = getrlimit("nofile");
    expect(soft).toBeGreaterThan(0);
    expect(hard).toBeGreaterThanOrEqual(soft);
  });

  it("pidfdOpen: readable when the process has ended", async () => {
    const child = start("process.stdin.resume();");
    const result = ended(child);
    const fd = pidfdOpen(child.pid!);
    expect(flagsOf(fd).closedOnExec).toBe(true);
    expect(waitReadable(fd, 0)).toBe(false);
    child.stdin!.end();
    await result;
    expect(waitReadable(fd, 0)).toBe(true);
    closeFd(fd);
    expect(codeOf(() => pidfdOpen(child.pid!))).toBe("ESRCH");
    expect(codeOf(() => processStartTime(child.pid!))).toBe("ESRCH");
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      expect(codeOf(() => pidfdOpen(bad))).toBe("EINVAL");
      expect(codeOf(() => processStartTime(bad))).toBe("EINVAL");
    }
  });

  it("processStartTime is after its parent's, and no process name confuses it", async () => {
    const child = start(
      `process.title = "x) R 1 1 (y"; fs.writeSync(1, String(hs.processStartTime(process.pid)));
      process.stdin.resume();`,
    );
    const result = ended(child);
    const ticks = Number(await new Promise((resolve) => child.stdout!.once("data", resolve)));
    expect(processStartTime(child.pid!)).toBe(ticks);
    expect(ticks).toBeGreaterThan(processStartTime(process.pid));
    expect(ticks / 100).toBeLessThanOrEqual(
      Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) + 0.02,
    );
    child.stdin!.end();
    await result;
  });
});
