import { holdsIoUring, inetSocketsDenied } from "@outsock/hostsys";
import { expect, it } from "vitest";
import { inetFilter } from "../src/seccomp.ts";
import { runFilter } from "./bpf.ts";
import { ended, onLinux, resultOf, start } from "./child.ts";

const ALLOW = 0x7fff0000;
const EACCES = 0x0005000d;
const ENOSYS = 0x00050026;
const I386 = 0x40000003;
const ARM = 0x40000028;
const X64 = 0xc000003e;
const ARM64 = 0xc00000b7;

const MACHINES = [
  { name: "x64", arch: X64, foreign: I386, socket: 41, socketpair: 53, getpid: 39 },
  { name: "arm64", arch: ARM64, foreign: ARM, socket: 198, socketpair: 199, getpid: 172 },
];

for (const { name, arch, foreign, socket, socketpair, getpid } of MACHINES) {
  const filter = inetFilter(name)!;
  const result = (nr: number, arg0 = 0n, machine = arch) =>
    runFilter(filter, { arch: machine, nr, arg0 });

  it(`filter of ${name}: socket() only of AF_UNIX and AF_NETLINK`, () => {
    for (let family = 0n; family < 64n; family++) {
      const expected = family === 1n || family === 16n ? ALLOW : EACCES;
      expect(result(socket, family)).toBe(expected);
      // The kernel takes the low half as an int.
      expect(result(socket, (0xdeadbeefn << 32n) | family)).toBe(expected);
    }
    expect(result(socket, -1n)).toBe(EACCES);
  });

  it(`filter of ${name}: no new io_uring, no foreign ABI, everything else passes`, () => {
    expect(result(425)).toBe(ENOSYS);
    expect(result(socketpair, 1n)).toBe(ALLOW);
    expect(result(getpid)).toBe(ALLOW);
    expect(result(426)).toBe(ALLOW);
    for (const machine of [foreign, 0, name === "x64" ? ARM64 : X64]) {
      expect(result(getpid, 0n, machine)).toBe(ENOSYS);
    }
    expect(result(0x40000000 | socket, 1n)).toBe(name === "x64" ? ENOSYS : ALLOW);
    expect(result(0xffffffff, 1n)).toBe(name === "x64" ? ENOSYS : ALLOW);
  });
}

it("an architecture without a filter has none", () => {
  expect(inetFilter("riscv64")).toBeUndefined();
});

/** Tries TCP over IPv4 and IPv6 and UDP; calls `done` with the codes of the errors. */
const TRY = `async function tryNetwork() {
    const [net, dgram] = [await import("node:net"), await import("node:dgram")];
    const code = (thing) => new Promise((resolve) => {
      thing.on("error", (error) => resolve(error.code));
      for (const event of ["connect", "listening"]) thing.on(event, () => resolve(event));
    });
    return Promise.all([
      code(net.connect(9, "127.0.0.1")), code(net.connect(9, "::1")),
      code(net.createServer().listen(0, "127.0.0.1")),
      code(dgram.createSocket("udp4").bind(0)), code(dgram.createSocket("udp6").bind(0)),
    ]);
  }`;
const REFUSED = new Array(5).fill("EACCES");

onLinux("denyInetSockets", () => {
  it("is not in force in this process", () => {
    expect(inetSocketsDenied()).toBe(false);
  });

  it("covers the main thread, threads from before and after, and child processes", async () => {
    const result = await resultOf(`
      import { execFileSync } from "node:child_process";
      import { once } from "node:events";
      import { Worker } from "node:worker_threads";
      ${TRY}
      const inWorker = (${JSON.stringify(TRY)}) + \`
        const { parentPort } = require("node:worker_threads");
        parentPort.postMessage("up");
        parentPort.once("message", async () => { parentPort.postMessage(await tryNetwork()); process.exit(); });\`;
      const early = new Worker(inWorker, { eval: true, execArgv: [] });
      await once(early, "message");
      await Promise.all([1, 2, 3, 4].map(() => fs.promises.readFile("/proc/self/stat")));
      const before = hs.inetSocketsDenied();
      hs.denyInetSockets();
      const threads = fs.readdirSync("/proc/self/task").map((id) =>
        fs.readFileSync("/proc/self/task/" + id + "/status", "utf8"));
      const covered = threads.every((text) => /^Seccomp:\\t2$/m.test(text) && /^NoNewPrivs:\\t1$/m.test(text));
      const ask = async (worker) => { worker.postMessage("try"); return (await once(worker, "message"))[0]; };
      const late = new Worker(inWorker, { eval: true, execArgv: [] });
      await once(late, "message");
      const script = ${JSON.stringify(TRY)} + "; tryNetwork().then((r) => { console.log(JSON.stringify(r)); process.exit(); });";
      console.log(JSON.stringify({
        before, after: hs.inetSocketsDenied(), covered, enough: threads.length > 5,
        main: await tryNetwork(), early: await ask(early), late: await ask(late),
        child: JSON.parse(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })),
        grandchild: JSON.parse(execFileSync("sh", ["-c", 'exec "$0" -e "$1"', process.execPath, script], { encoding: "utf8" })),
      }));
      process.exit();`);
    expect(result).toEqual({
      before: false,
      after: true,
      covered: true,
      enough: true,
      main: REFUSED,
      early: REFUSED,
      late: REFUSED,
      child: REFUSED,
      grandchild: REFUSED,
    });
  });

  it("names that need DNS cannot be looked up, by getaddrinfo or c-ares", async () => {
    const result = (await resultOf(`
      import { lookup, resolve4 } from "node:dns/promises";
      hs.denyInetSockets();
      const code = (promise) => promise.then(() => "found", (error) => error.code);
      console.log(JSON.stringify([await code(lookup("name.example.com")), await code(resolve4("name.example.com"))]));
    `)) as string[];
    expect(result).toHaveLength(2);
    for (const code of result) expect(code).toMatch(/^E/);
  });

  it("unix sockets, netlink, files, children and workers go on", async () => {
    const result = await resultOf(`
      import { execFileSync } from "node:child_process";
      import { createServer, connect } from "node:net";
      import { once } from "node:events";
      import { networkInterfaces } from "node:os";
      import { Worker } from "node:worker_threads";
      const interfaces = JSON.stringify(networkInterfaces());
      hs.denyInetSockets();
      const directory = fs.mkdtempSync("/tmp/hostsys-");
      const server = createServer((socket) => socket.pipe(socket)).listen(directory + "/s");
      await once(server, "listening");
      const client = connect(directory + "/s");
      client.end("echo");
      const [echo] = await once(client, "data");
      server.close();
      await fs.promises.writeFile(directory + "/f", "text");
      const file = await fs.promises.readFile(directory + "/f", "utf8");
      await fs.promises.rm(directory, { recursive: true });
      const [a, b] = hs.socketpair();
      hs.sendByte(a);
      const [message] = await once(new Worker('require("worker_threads").parentPort.postMessage(5)', { eval: true, execArgv: [] }), "message");
      console.log(JSON.stringify([String(echo), file, hs.drainBytes(b), message,
        execFileSync("echo", ["child"], { encoding: "utf8" }), JSON.stringify(networkInterfaces()) === interfaces]));`);
    expect(result).toEqual(["echo", "text", 1, 5, "child\n", true]);
  });

  it("needs no privileges, can be called again, and nobody can undo it", async () => {
    const result = await resultOf(`
      hs.getrlimit("nofile");
      if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
      hs.denyInetSockets();
      hs.denyInetSockets();
      console.log(JSON.stringify([process.getuid() !== 0, hs.inetSocketsDenied()]));`);
    expect(result).toEqual([true, true]);
  });

  it("from a worker thread it covers the whole process", async () => {
    const result = await resultOf(`
      import { once } from "node:events";
      import { Worker } from "node:worker_threads";
      await once(new Worker('import("@outsock/hostsys").then((hs) => hs.denyInetSockets())', { eval: true, execArgv: [] }), "exit");
      console.log(hs.inetSocketsDenied());`);
    expect(result).toBe(true);
  });

  it("raw calls: socket() by number, io_uring_setup and x32", async () => {
    const result = await resultOf(`
      import koffi from "koffi";
      const syscall = koffi.load(null).func("long syscall(long nr, ...)");
      const raw = (nr, ...values) => [Number(syscall(nr, ...values.flatMap((v) => ["long", v]))), koffi.errno()];
      hs.denyInetSockets();
      const socket = process.arch === "x64" ? 41 : 198;
      const results = [raw(socket, 2, 1, 0), raw(socket, 17, 3, 0), raw(425, 4, 0),
        process.arch === "x64" ? raw(0x40000000 + 41, 2, 1, 0) : [-1, 38]];
      const [fd] = raw(socket, 16, 3, 0);
      console.log(JSON.stringify([...results, fd >= 0]));`);
    expect(result).toEqual([[-1, 13], [-1, 13], [-1, 38], [-1, 38], true]);
  });

  it.skipIf(process.arch !== "x64")("int 0x80, calls of i386: ENOSYS [x64]", async () => {
    const child = start(`
      import koffi from "koffi";
      const mmap = koffi.load(null).func("void *mmap(void *a, size_t n, int prot, int flags, int fd, int64_t at)");
      const page = mmap(null, 4096, 7, 0x22, -1, 0);
      // push rbx; eax = 359 (socket); ebx = AF_INET; ecx = SOCK_STREAM; edx = 0; int 0x80; pop rbx; ret
      new Uint8Array(koffi.view(page, 4096)).set(Buffer.from("53b867010000bb02000000b90100000031d2cd805bc3", "hex"));
      const call = koffi.proto("int i386()");
      hs.denyInetSockets();
      fs.writeSync(1, String(koffi.call(page, call)));`);
    const { out, signal } = await ended(child);
    // A kernel without IA32 emulation has no such calls at all.
    if (signal !== "SIGSEGV") expect(out).toBe("-38");
  });

  it("a Node started under the filter holds no io_uring, and its event loop works", async () => {
    const result = await resultOf(`
      import { execFileSync } from "node:child_process";
      hs.denyInetSockets();
      const script = 'import * as hs from "@outsock/hostsys"; import { createServer } from "node:net";' +
        'const server = createServer().listen("\\\\0hostsys-" + process.pid, () => { server.close(() => console.log(hs.holdsIoUring())); });';
      console.log(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }));`);
    expect(result).toBe(false);
  });

  it("holdsIoUring sees a ring", async () => {
    expect(typeof holdsIoUring()).toBe("boolean");
    const result = await resultOf(`
      import koffi from "koffi";
      const fd = Number(koffi.load(null).func("long syscall(long nr, ...)")(425, "uint32_t", 4, "void *", Buffer.alloc(120)));
      // Where the system has no io_uring there is nothing to see.
      console.log(fd < 0 || hs.holdsIoUring());`);
    expect(result).toBe(true);
  });
});
