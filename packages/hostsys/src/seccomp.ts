/**
 * Takes the network away from a process: seccomp(2) with a filter (classic BPF) that lets
 * `socket()` make only AF_UNIX and AF_NETLINK sockets. It covers every thread (TSYNC) and is
 * inherited by children; no_new_privs lets an unprivileged process install it.
 *
 * io_uring could make sockets past the filter, and other architectures' calls have other numbers:
 * both are refused as not implemented.
 */
import { closeFd } from "./descriptors.ts";
import { check, ffi, lastErrno, libc, SysError, sysError } from "./libc.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const RET_ALLOW = 0x7fff0000;
const RET_ERRNO = 0x00050000;
const EACCES = 13;
const ENOSYS = 38;
const AF_UNIX = 1;
const AF_NETLINK = 16;

/** BPF: load absolute word, jump if equal, jump if greater or equal, return. */
const LD = 0x20;
const JEQ = 0x15;
const JGE = 0x35;
const RET = 0x06;

/** struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]. */
const NR = 0;
const ARCH = 4;
const ARG0 = 16;

interface Machine {
  arch: number;
  seccomp: number;
  socket: number;
  ioUringSetup: number;
  /** Numbers from here on are another ABI's (x32). */
  foreignFrom: number | undefined;
}

/** AUDIT_ARCH and call numbers (asm/unistd). */
const MACHINES: Record<string, Machine> = {
  x64: { arch: 0xc000003e, seccomp: 317, socket: 41, ioUringSetup: 425, foreignFrom: 0x40000000 },
  arm64: { arch: 0xc00000b7, seccomp: 277, socket: 198, ioUringSetup: 425, foreignFrom: undefined },
};

type Instruction = [code: number, ifTrue: number, ifFalse: number, value: number];

function program({ arch, socket, ioUringSetup, foreignFrom }: Machine): Buffer {
  const body: Instruction[] = [
    [LD, 0, 0, ARCH],
    [JEQ, 1, 0, arch],
    [RET, 0, 0, RET_ERRNO | ENOSYS],
    [LD, 0, 0, NR],
    ...(foreignFrom === undefined
      ? []
      : ([
          [JGE, 0, 1, foreignFrom],
          [RET, 0, 0, RET_ERRNO | ENOSYS],
        ] satisfies Instruction[])),
    [JEQ, 0, 1, ioUringSetup],
    [RET, 0, 0, RET_ERRNO | ENOSYS],
    [JEQ, 1, 0, socket],
    [RET, 0, 0, RET_ALLOW],
    [LD, 0, 0, ARG0],
    [JEQ, 1, 0, AF_UNIX],
    [JEQ, 0, 1, AF_NETLINK],
    [RET, 0, 0, RET_ALLOW],
    [RET, 0, 0, RET_ERRNO | EACCES],
  ];
  const out = Buffer.alloc(body.length * 8);
  for (const [i, [code, ifTrue, ifFalse, value]] of body.entries()) {
    out.writeUInt16LE(code, i * 8);
    out.writeUInt8(ifTrue, i * 8 + 2);
    out.writeUInt8(ifFalse, i * 8 + 3);
    out.writeUInt32LE(value >>> 0, i * 8 + 4);
  }
  return out;
}

/**
 * From now on AF_INET and AF_INET6 sockets fail with EACCES in this process and its children.
 * @throws SysError ENOSYS or EINVAL where the kernel has no seccomp filters
 */
export function denyInetSockets(): void {
  const machine = MACHINES[process.arch];
  if (machine === undefined) {
    throw new SysError("seccomp", ENOSYS, `no filter for ${process.arch}`, "ENOSYS");
  }
  const filter = program(machine);
  const fprog = Buffer.alloc(16);
  fprog.writeUInt16LE(filter.length / 8, 0);
  fprog.writeBigUInt64LE(BigInt(ffi().address(filter as never) as never), 8);
  const prctl = libc<(o: number, a: number, b: number, c: number, d: number) => number>(
    "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
  );
  check("prctl", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  const syscall = libc<(nr: number, ...rest: unknown[]) => number>("long syscall(long nr, ...)");
  const result = Number(
    syscall(
      machine.seccomp,
      "unsigned int",
      SECCOMP_SET_MODE_FILTER,
      "unsigned int",
      SECCOMP_FILTER_FLAG_TSYNC,
      "void *",
      fprog,
    ),
  );
  if (result < 0) throw sysError("seccomp");
  if (result > 0) {
    throw new SysError("seccomp", EACCES, `thread ${result} could not be covered`, "EACCES");
  }
  // Keeps the program alive over the call.
  void filter.length;
}

/** True when this process cannot make AF_INET sockets (tried). */
export function inetSocketsDenied(): boolean {
  const call = libc<(d: number, t: number, p: number) => number>(
    "int socket(int domain, int type, int protocol)",
  );
  for (const domain of [2, 10]) {
    const fd = call(domain, 1 | 0x80000, 0);
    if (fd >= 0) {
      closeFd(fd);
      return false;
    }
    if (lastErrno() !== EACCES) return false;
  }
  return true;
}
