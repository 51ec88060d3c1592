// node without-syscalls.mjs NAME[,NAME] COMMAND [ARGS...]: becomes the command, for which these
// system calls fail with ENOSYS, as on a kernel that lacks them.
import { execve } from "@outsock/hostsys";
import koffi from "koffi";

const NUMBERS = {
  x64: { seccomp: 317, memfd_create: 319 },
  arm64: { seccomp: 277, memfd_create: 279 },
}[process.arch];
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const RET_ALLOW = 0x7fff0000;
const RET_ENOSYS = 0x00050000 | 38;

const [names, command, ...args] = process.argv.slice(2);
// Classic BPF: load the number of the call, compare with each, return.
const filter = [[0x20, 0, 0, 0]];
for (const name of names.split(",")) {
  filter.push([0x15, 0, 1, NUMBERS[name]], [0x06, 0, 0, RET_ENOSYS]);
}
filter.push([0x06, 0, 0, RET_ALLOW]);

const libc = koffi.load(null);
koffi.struct("sock_filter", { code: "uint16", jt: "uint8", jf: "uint8", k: "uint32" });
koffi.struct("sock_fprog", { len: "uint16", filter: "sock_filter *" });
const prctl = libc.func(
  "int prctl(int option, unsigned long a, sock_fprog *program, unsigned long c, unsigned long d)",
);
const program = {
  len: filter.length,
  filter: filter.map(([code, jt, jf, k]) => ({ code, jt, jf, k })),
};
if (prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0) !== 0) throw new Error("no_new_privs");
if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) !== 0) throw new Error("seccomp");
execve(command, [command, ...args], process.env);
