import { fstatSync, openSync, readFileSync } from "node:fs";
import {
  closeFd,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  fileSize,
  ftruncate,
  getSeals,
  mapShared,
  memfdCreate,
  punchHole,
  SysError,
  sealRegion,
} from "@outsock/hostsys";
import { afterEach, expect, it } from "vitest";
import { BAD_FD, codeOf, flagsOf, onLinux, resultOf } from "./child.ts";

const MIB = 2 ** 20;
const opened: number[] = [];

function memfd(size: number): number {
  const fd = memfdCreate("hostsys-test");
  opened.push(fd);
  ftruncate(fd, size);
  return fd;
}

afterEach(() => {
  for (const fd of opened.splice(0)) closeFd(fd);
});

onLinux("memory", () => {
  it("a memfd is empty, closed on exec, and grows by ftruncate", () => {
    const fd = memfd(0);
    expect(fileSize(fd)).toBe(0);
    expect(flagsOf(fd).closedOnExec).toBe(true);
    ftruncate(fd, 12_345);
    expect(fileSize(fd)).toBe(12_345);
    ftruncate(fd, 1);
    expect(fileSize(fd)).toBe(1);
  });

  it("a sealed memfd can be neither shrunk nor grown nor sealed again", () => {
    const fd = memfd(8192);
    expect(getSeals(fd) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)).toBe(0);
    sealRegion(fd);
    const all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    expect(getSeals(fd) & all).toBe(all);
    expect(codeOf(() => ftruncate(fd, 4096))).toBe("EPERM");
    expect(codeOf(() => ftruncate(fd, 16_384))).toBe("EPERM");
    expect(codeOf(() => sealRegion(fd))).toBe("EPERM");
    expect(fileSize(fd)).toBe(8192);
  });

  it("a file that is no memfd cannot be sealed: EINVAL", () => {
    const fd = openSync(import.meta.filename, "r");
    opened.push(fd);
    expect(codeOf(() => getSeals(fd))).toBe("EINVAL");
  });

  it("two mappings of one memfd see each other through Atomics", () => {
    const fd = memfd(65_536);
    const [one, two] = [mapShared(fd, 65_536), mapShared(fd, 65_536)];
    const [a, b] = [new Int32Array(one.buffer), new Int32Array(two.buffer)];
    expect(one.buffer.byteLength).toBe(65_536);
    Atomics.store(a, 16_383, -5);
    expect(Atomics.load(b, 16_383)).toBe(-5);
    expect(Atomics.add(b, 16_383, 8)).toBe(-5);
    expect(Atomics.compareExchange(a, 16_383, 3, 77)).toBe(3);
    expect(b[16_383]).toBe(77);
    one.unmap();
    expect(b[16_383]).toBe(77);
    two.unmap();
  });

  it("another process sees the mapping", async () => {
    const path = `/proc/${process.pid}/fd/${memfd(4096)}`;
    const mapping = mapShared(opened[0]!, 4096);
    const words = new Int32Array(mapping.buffer);
    Atomics.store(words, 0, 41);
    const seen = await resultOf(`
      const words = new Int32Array(hs.mapShared(fs.openSync("${path}", "r+"), 4096).buffer);
      console.log(Atomics.add(words, 0, 1));`);
    expect(seen).toBe(41);
    expect(Atomics.load(words, 0)).toBe(42);
    mapping.unmap();
  });

  it("the mapping outlives its descriptor; unmap may be called twice", () => {
    const fd = memfdCreate("hostsys-test");
    ftruncate(fd, 4096);
    const mapping = mapShared(fd, 4096);
    closeFd(fd);
    new Uint8Array(mapping.buffer).fill(7);
    mapping.unmap();
    mapping.unmap();
  });

  it.skipIf(!("transfer" in ArrayBuffer.prototype))(
    "after unmap views are empty and harmless [ArrayBuffer.transfer, Node 22]",
    () => {
      const mapping = mapShared(memfd(4096), 4096);
      const bytes = new Uint8Array(mapping.buffer);
      bytes[0] = 9;
      mapping.unmap();
      expect(bytes.length).toBe(0);
      expect(bytes[0]).toBeUndefined();
    },
  );

  it("256 MiB of sparse memory cost no memory until touched", () => {
    const rss = () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
    const fd = memfd(256 * MIB);
    const before = rss();
    const mapping = mapShared(fd, 256 * MIB);
    const words = new Int32Array(mapping.buffer);
    words[words.length - 1] = 1;
    expect(rss() - before).toBeLessThan(32 * 1024);
    expect(fstatSync(fd).blocks * 512).toBeLessThan(4 * MIB);
    mapping.unmap();
  });

  it("punchHole gives memory back, keeps the size, and reads as zeros", () => {
    const fd = memfd(8 * MIB);
    sealRegion(fd);
    const mapping = mapShared(fd, 8 * MIB);
    const bytes = new Uint8Array(mapping.buffer).fill(0xaa);
    expect(fstatSync(fd).blocks * 512).toBe(8 * MIB);
    punchHole(fd, 0, 8 * MIB - 4096);
    expect(fstatSync(fd).blocks * 512).toBeLessThan(4 * MIB);
    expect(fileSize(fd)).toBe(8 * MIB);
    expect([bytes[0], bytes[8 * MIB - 4097], bytes[8 * MIB - 4096]]).toEqual([0, 0, 0xaa]);
    mapping.unmap();
  });

  it("discard gives memory back after the descriptor was closed", () => {
    const fd = memfd(8 * MIB);
    sealRegion(fd);
    const mapping = mapShared(fd, 8 * MIB);
    const other = mapShared(fd, 8 * MIB);
    const bytes = new Uint8Array(mapping.buffer).fill(0xaa);
    mapping.discard(MIB, 6 * MIB);
    expect(fstatSync(fd).blocks * 512).toBe(2 * MIB);
    expect([bytes[MIB - 1], bytes[MIB], bytes[7 * MIB]]).toEqual([0xaa, 0, 0xaa]);
    expect(new Uint8Array(other.buffer)[MIB]).toBe(0);
    bytes[MIB] = 1;
    expect(new Uint8Array(other.buffer)[MIB]).toBe(1);
    for (const [offset, length] of [
      [1, 4096],
      [8 * MIB - 4096, 8192],
      [-4096, 4096],
      [0, 0],
    ] as const) {
      expect(codeOf(() => mapping.discard(offset, length))).toBe("EINVAL");
    }
    mapping.unmap();
    expect(codeOf(() => mapping.discard(0, 4096))).toBe("EINVAL");
    other.unmap();
  });

  it.each([
    [0, "EINVAL"],
    [-1, "EINVAL"],
    [1.5, "EINVAL"],
    [Number.NaN, "EINVAL"],
    [2 ** 60, "EINVAL"],
    [4097, "EINVAL"],
  ])("mapping %d bytes of a file of 4096: %s, not a later SIGBUS", (length, code) => {
    const fd = memfd(4096);
    expect(codeOf(() => mapShared(fd, length))).toBe(code);
  });

  it("a file opened for reading only cannot be mapped: EACCES", () => {
    const fd = openSync(import.meta.filename, "r");
    opened.push(fd);
    expect(codeOf(() => mapShared(fd, 16))).toBe("EACCES");
  });

  it("bad sizes and descriptors are SysErrors", () => {
    const fd = memfd(4096);
    expect(codeOf(() => ftruncate(fd, -1))).toBe("EINVAL");
    expect(codeOf(() => ftruncate(fd, Number.NaN))).toBe("EINVAL");
    expect(codeOf(() => punchHole(fd, -1, 4096))).toBe("EINVAL");
    expect(codeOf(() => punchHole(fd, 0, 0))).toBe("EINVAL");
    expect(codeOf(() => memfdCreate("n".repeat(250)))).toBe("EINVAL");
    for (const bad of [-1, BAD_FD]) {
      expect(codeOf(() => ftruncate(bad, 1))).toBe("EBADF");
      expect(codeOf(() => fileSize(bad))).toBe("EBADF");
      expect(codeOf(() => sealRegion(bad))).toBe("EBADF");
      expect(codeOf(() => getSeals(bad))).toBe("EBADF");
      expect(codeOf(() => mapShared(bad, 1))).toBe("EBADF");
      expect(codeOf(() => punchHole(bad, 0, 1))).toBe("EBADF");
    }
  });

  it("a SysError reads like Node's own", () => {
    const error = new SysError("memfd_create", 12, "Cannot allocate memory");
    expect(error).toMatchObject({ code: "ENOMEM", errno: -12, syscall: "memfd_create" });
    expect(error.message).toBe("memfd_create: Cannot allocate memory (ENOMEM)");
    expect(() => getSeals(BAD_FD)).toThrow("fcntl: Bad file descriptor (EBADF)");
  });

  it("ftruncate over RLIMIT_FSIZE: EFBIG, though SIGXFSZ would end the process", async () => {
    const result = await resultOf(
      `import koffi from "koffi";
      koffi.load(null).func("intptr_t signal(int n, intptr_t handler)")(25, 0);
      const fd = hs.memfdCreate("small");
      const { soft } = hs.getrlimit("fsize");
      hs.ftruncate(fd, soft);
      let code;
      try { hs.ftruncate(fd, soft + 1); } catch (error) { code = error.code; }
      console.log(JSON.stringify([code, hs.fileSize(fd) === soft]));`,
      "-f 8",
    );
    expect(result).toEqual(["EFBIG", true]);
  });
});
