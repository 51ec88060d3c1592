/** Names of processes that are not reused: pidfd_open(2), start time (proc_pid_stat(5)). */
import { readFileSync } from "node:fs";
import { check, ERRNO, libc, SysError, sysError, whole } from "./libc.ts";

/** Same number on every architecture. */
const SYS_PIDFD_OPEN = 434;

/**
 * pidfd_open(2): a descriptor that becomes readable when the process ends; closed on exec.
 * @throws SysError ESRCH, EINVAL, EMFILE, ENOSYS (before Linux 5.3)
 */
export function pidfdOpen(pid: number): number {
  whole("pidfd_open", "pid", pid, 1);
  const syscall = libc<(nr: number, ...rest: unknown[]) => number>("long syscall(long nr, ...)");
  return check("pidfd_open", syscall(SYS_PIDFD_OPEN, "int", pid, "unsigned int", 0));
}

/**
 * When the process started, in clock ticks (1/100 s) since the system's boot. With the pid it
 * names one process and never another.
 * @throws SysError ESRCH when there is no such process
 */
export function processStartTime(pid: number): number {
  whole("stat", "pid", pid, 1);
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    throw sysError("stat", ERRNO.ESRCH);
  }
  // Field 2 is the name in parentheses, in which anything may stand; field 3 follows the last one.
  const ticks = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[22 - 3]);
  if (!Number.isSafeInteger(ticks)) {
    throw new SysError("stat", ERRNO.EINVAL, `/proc/${pid}/stat has no start time`);
  }
  return ticks;
}
