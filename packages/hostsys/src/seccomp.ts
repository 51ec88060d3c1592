/**
 * Takes the network away from a process: seccomp(2) with a filter (classic BPF) that lets
 * `socket()` make only AF_UNIX and AF_NETLINK sockets. It covers every thread (TSYNC), and threads
 * and processes made later inherit it, over execve(2) too; no_new_privs lets an unprivileged
 * process install it.
 *
 * Calls have other numbers in other ABIs (i386 by `int 0x80`, x32), so those are refused whole.
 * io_uring makes sockets without socket(2), so no new ring can be had. A ring from before stays
 * usable: libuv of Node 22 and later opens one for its event loop before any script runs, can't be
 * told not to, and aborts when io_uring_enter(2) fails. A program that brings native code could
 * use it. So install the filter before that Node starts (`denyInetSockets`, then `execve`): then
 * libuv gets ENOSYS and works with epoll alone. `holdsIoUring` tells.
 *
 * Not covered, by design: sockets that someone outside hands over, and what the file system and
 * other processes offer (a unix socket of a proxy, ptrace).
 */
import * as fs from "node:fs";
import { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM } from "@outsock/abi";
import { closeFd } from "./descriptors.ts";
import { check, ERRNO, fixedMemory, lastErrno, libc, SysError } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_CLOEXEC = 0x80000;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const RET_ALLOW = 0x7fff0000;
const RET_ERRNO = 0x00050000;
/** Numbers of Linux, not of the machine this is read on. */
const EACCES = 13;
const ENOSYS = 38;

/** BPF: load absolute word, jump if equal, jump if greater or equal, return. */
const LD = 0x20;
const JEQ = 0x15;
const JGE = 0x35;
const RET = 0x06;

/** struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]. */
const NR = 0;
const ARCH = 4;
/** The low half: `domain` is an int, the kernel does not look at the rest. */
const ARG0 = 16;

interface Machine {
  /** AUDIT_ARCH_ number. */
  arch: number;
  seccomp: number;
  socket: number;
  ioUringSetup: number;
  /** Numbers from here on are another ABI's (x32). */
  foreignFrom: number | undefined;
}

/** Call numbers of asm/unistd_64.h and asm-generic/unistd.h. */
const MACHINES: Record<string, Machine> = {
  x64: { arch: 0xc000003e, seccomp: 317, socket: 41, ioUringSetup: 425, foreignFrom: 0x40000000 },
  arm64: { arch: 0xc00000b7, seccomp: 277, socket: 198, ioUringSetup: 425, foreignFrom: undefined },
};

type Instruction = [code: number, ifTrue: number, ifFalse: number, value: number];

/** The filter as an array of struct sock_filter { u16 code; u8 jt, jf; u32 k; }. */
export function inetFilter(architecture: string): Buffer | undefined {
  const machine = MACHINES[architecture];
  if (machine === undefined) return undefined;
  const { arch, socket, ioUringSetup, foreignFrom } = machine;
  const refuseForeign: Instruction[] =
    foreignFrom === undefined
      ? []
      : [
          [JGE, 0, 1, foreignFrom],
          [RET, 0, 0, RET_ERRNO | ENOSYS],
        ];
  const body: Instruction[] = [
    [LD, 0, 0, ARCH],
    [JEQ, 1, 0, arch],
    [RET, 0, 0, RET_ERRNO | ENOSYS],
    [LD, 0, 0, NR],
    ...refuseForeign,
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

let held: ReturnType<typeof fixedMemory> | undefined;

/**
 * From now on socket(2) of AF_INET, AF_INET6 and all other families but AF_UNIX and AF_NETLINK
 * fails with EACCES, in all threads of this process and in its children, for ever. Sockets that
 * are open stay so. Also sets no_new_privs: set-user-id programs get no privileges any more.
 * See above for io_uring on Node 22 and later.
 * @throws SysError ENOSYS or EINVAL (a kernel without seccomp filters), EACCES, ENOMEM
 */
export function denyInetSockets(): void {
  const machine = MACHINES[process.arch];
  const filter = inetFilter(process.arch);
  if (machine === undefined || filter === undefined) {
    throw new SysError("seccomp", ERRNO.ENOSYS, `no filter for ${process.arch}`, "ENOSYS");
  }
  // struct sock_fprog { u16 len; struct sock_filter *filter; }, then the filter.
  held = fixedMemory(16 + filter.length);
  held.bytes.writeUInt16LE(filter.length / 8, 0);
  held.bytes.writeBigUInt64LE(held.address + 16n, 8);
  held.bytes.set(filter, 16);
  const prctl = libc<(option: number, ...rest: unknown[]) => number>("int prctl(int option, ...)");
  const zero = ["unsigned long", 0];
  check("prctl", prctl(PR_SET_NO_NEW_PRIVS, "unsigned long", 1, ...zero, ...zero, ...zero));
  const syscall = libc<(nr: number, ...rest: unknown[]) => number>("long syscall(long nr, ...)");
  const result = check(
    "seccomp",
    syscall(
      machine.seccomp,
      "unsigned int",
      SECCOMP_SET_MODE_FILTER,
      "unsigned int",
      SECCOMP_FILTER_FLAG_TSYNC,
      "void *",
      held.bytes,
    ),
  );
  // The number of a thread that has a filter of its own (seccomp(2), TSYNC).
  if (result > 0) {
    throw new SysError("seccomp", ERRNO.EACCES, `thread ${result} could not be covered`);
  }
}

/** True when this process cannot make AF_INET and AF_INET6 sockets: EACCES when tried. */
export function inetSocketsDenied(): boolean {
  const call = libc<(d: number, t: number, p: number) => number>(
    "int socket(int domain, int type, int protocol)",
  );
  for (const domain of [AF_INET, AF_INET6]) {
    const fd = call(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
      closeFd(fd);
      return false;
    }
    if (lastErrno() !== ERRNO.EACCES) return false;
  }
  return true;
}

const { readdirSync, readlinkSync } = fs;

/** True when a descriptor of this process is an io_uring, through which sockets can be made. */
export function holdsIoUring(): boolean {
  return readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[io_uring]";
    } catch {
      return false; // Closed meanwhile.
    }
  });
}
