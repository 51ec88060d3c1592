/** Shared memory: memfd_create(2), file seals (fcntl(2)), mmap(2), fallocate(2). */
import { fstatSync } from "node:fs";
import { check, ffi, libc, SysError, sysError } from "./libc.ts";
import { getrlimit } from "./limits.ts";

export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** Memory that several processes share. */
export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** Bytes. */
  readonly length: number;
  /** Ends the mapping: nothing may touch `buffer` afterwards (it would crash the process). */
  unmap(): void;
}

/** An anonymous file of size 0 that can be sealed. @throws SysError ENOSYS, EMFILE, ENOMEM */
export function memfdCreate(name: string): number {
  const call = libc<(name: string, flags: number) => number>(
    "int memfd_create(const char *name, unsigned int flags)",
  );
  return check("memfd_create", call(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

/**
 * Sets a file's size. Checked against RLIMIT_FSIZE first: going over it would end the process by
 * SIGXFSZ. @throws SysError EFBIG, EPERM (sealed)
 */
export function ftruncate(fd: number, size: number): void {
  const limit = getrlimit("fsize").soft;
  if (size > limit) throw new SysError("ftruncate", 27, "File too large", "EFBIG");
  const call = libc<(fd: number, size: number) => number>("int ftruncate(int fd, int64_t size)");
  check("ftruncate", call(fd, size));
}

function fcntl(fd: number, command: number, argument: number): number {
  const call = libc<(fd: number, command: number, kind: string, argument: number) => number>(
    "int fcntl(int fd, int command, ...)",
  );
  return check("fcntl", call(fd, command, "int", argument));
}

/** Forbids to shrink and to grow the file, and to change its seals, for ever. @throws SysError */
export function sealRegion(fd: number): void {
  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/** F_SEAL bits. @throws SysError EINVAL when the file cannot be sealed */
export function getSeals(fd: number): number {
  return fcntl(fd, F_GET_SEALS, 0);
}

export function fileSize(fd: number): number {
  return fstatSync(fd).size;
}

/** Maps `length` bytes of a file, shared. @throws SysError EACCES, ENOMEM, EINVAL */
export function mapShared(fd: number, length: number): Mapping {
  const mmap = libc<
    (a: null, n: number, prot: number, flags: number, fd: number, at: number) => unknown
  >("void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)");
  const pointer = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  const address = ffi().address(pointer as never) as bigint;
  if (BigInt.asIntN(64, address) === -1n) throw sysError("mmap");
  const buffer = ffi().view(pointer as never, length) as ArrayBuffer;
  let mapped = true;
  return {
    buffer,
    length,
    unmap(): void {
      if (!mapped) return;
      mapped = false;
      libc<(p: unknown, n: number) => number>("int munmap(void *addr, size_t length)")(
        pointer,
        length,
      );
    },
  };
}

/** Gives the memory of a part of the file back; it reads as zeros. @throws SysError */
export function punchHole(fd: number, offset: number, length: number): void {
  const call = libc<(fd: number, mode: number, offset: number, length: number) => number>(
    "int fallocate(int fd, int mode, int64_t offset, int64_t length)",
  );
  check("fallocate", call(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length));
}
