/** Shared memory: memfd_create(2), file seals (fcntl(2)), mmap(2), fallocate(2). */
import * as fs from "node:fs";
import { check, ERRNO, fcntl, ffi, lastErrno, libc, SysError, sysError, whole } from "./libc.ts";
import { getrlimit } from "./limits.ts";

/** No further seals. */
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
/** Linux 6.3 on: not executable, and sealed so; the only kind where vm.memfd_noexec is 2. */
const MFD_NOEXEC_SEAL = 8;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MADV_REMOVE = 9;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** As it is now: a guest's `fs` gets wrapped after this module was loaded. */
const { fstatSync } = fs;

/** Memory that several processes share. */
export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** Bytes. */
  readonly length: number;
  /**
   * madvise(2), MADV_REMOVE: like `punchHole`, where the descriptor is closed already. Only whole
   * pages are given back, so `offset` and `length` are multiples of the page size.
   * @throws SysError EINVAL (not whole pages, outside, or unmapped)
   */
  discard(offset: number, length: number): void;
  /**
   * Ends the mapping. Nothing may touch `buffer`, or views of it, afterwards, a pending read or
   * write of Node least of all. From Node 22 on the buffer is detached (views have length 0);
   * on Node 20 touching it ends the process by SIGSEGV.
   */
  unmap(): void;
}

/**
 * memfd_create(2): an anonymous file of size 0 that can be sealed, closed on exec.
 * @param name up to 249 bytes, only seen in /proc
 * @throws SysError EMFILE, ENFILE, ENOMEM, EINVAL (name), EACCES (vm.memfd_noexec)
 */
export function memfdCreate(name: string): number {
  const call = libc<(name: string, flags: number) => number>(
    "int memfd_create(const char *name, unsigned int flags)",
  );
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const fd = call(name, flags | MFD_NOEXEC_SEAL);
  if (fd >= 0) return fd;
  if (lastErrno() !== ERRNO.EINVAL) throw sysError("memfd_create");
  return check("memfd_create", call(name, flags));
}

/** Bytes. @throws SysError EBADF */
export function fileSize(fd: number): number {
  try {
    return fstatSync(fd).size;
  } catch {
    throw sysError("fstat", ERRNO.EBADF);
  }
}

/**
 * ftruncate(2). Growing over RLIMIT_FSIZE would end the process by SIGXFSZ, so that is looked at
 * first. @param size bytes. @throws SysError EFBIG, EPERM (sealed), EINVAL, EBADF
 */
export function ftruncate(fd: number, size: number): void {
  whole("ftruncate", "size", size);
  if (size > getrlimit("fsize").soft && size > fileSize(fd)) {
    throw sysError("ftruncate", ERRNO.EFBIG);
  }
  const call = libc<(fd: number, size: number) => number>("int ftruncate(int fd, int64_t size)");
  check("ftruncate", call(fd, size));
}

/**
 * Forbids to shrink and to grow a memfd and to change its seals, for ever (fcntl(2), F_ADD_SEALS).
 * @throws SysError EPERM (sealed already), EINVAL (no memfd), EBADF
 */
export function sealRegion(fd: number): void {
  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/**
 * F_SEAL bits of a file; more may be set than are named here (F_SEAL_EXEC), so test single bits.
 * @throws SysError EINVAL when the file cannot be sealed, EBADF
 */
export function getSeals(fd: number): number {
  return fcntl(fd, F_GET_SEALS, 0);
}

/**
 * mmap(2) of the first `length` bytes of a file, readable, writable and shared. `fd` may be closed
 * afterwards. A file that another process can shrink must be sealed first (`getSeals`): touching
 * memory behind its end is SIGBUS.
 * @param length bytes; not over the file's size
 * @throws SysError EINVAL, EACCES, ENODEV, ENOMEM, EBADF
 */
export function mapShared(fd: number, length: number): Mapping {
  whole("mmap", "length", length, 1);
  const size = fileSize(fd);
  if (length > size) {
    throw new SysError("mmap", ERRNO.EINVAL, `length ${length} is over the file's size ${size}`);
  }
  const mmap = libc<
    (a: null, n: number, prot: number, flags: number, fd: number, at: number) => bigint
  >("void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)");
  const pointer = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  if (BigInt.asIntN(64, pointer) === -1n) throw sysError("mmap");
  const munmap = libc<(p: bigint, n: number) => number>("int munmap(void *addr, size_t length)");
  let buffer: ArrayBuffer;
  try {
    buffer = ffi().view(pointer, length);
  } catch (error) {
    munmap(pointer, length);
    const reason = error instanceof Error ? error.message : String(error);
    throw new SysError("mmap", ERRNO.ENOMEM, `no ArrayBuffer of ${length} bytes: ${reason}`);
  }
  let mapped = true;
  return {
    buffer,
    length,
    discard(offset: number, size: number): void {
      whole("madvise", "offset", offset);
      whole("madvise", "length", size, 1);
      if (!mapped || offset + size > length) {
        throw new SysError("madvise", ERRNO.EINVAL, `${offset}+${size} is not mapped`);
      }
      const madvise = libc<(p: bigint, n: number, advice: number) => number>(
        "int madvise(void *addr, size_t length, int advice)",
      );
      check("madvise", madvise(pointer + BigInt(offset), size, MADV_REMOVE));
    },
    unmap(): void {
      if (!mapped) return;
      mapped = false;
      (buffer as ArrayBuffer & { transfer?: () => ArrayBuffer }).transfer?.();
      munmap(pointer, length);
    },
  };
}

/**
 * fallocate(2): gives the memory of a part of the file back to the system; it reads as zeros then,
 * in every mapping. Bytes; only whole pages are given back, the rest is zeroed.
 * @throws SysError EINVAL, EPERM (F_SEAL_WRITE), ENOTSUP, ENODEV, EBADF
 */
export function punchHole(fd: number, offset: number, length: number): void {
  whole("fallocate", "offset", offset);
  whole("fallocate", "length", length, 1);
  const call = libc<(fd: number, mode: number, offset: number, length: number) => number>(
    "int fallocate(int fd, int mode, int64_t offset, int64_t length)",
  );
  check("fallocate", call(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length));
}
