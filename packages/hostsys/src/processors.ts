/**
 * How many processors this process may use, and whether many more tasks want to run.
 *
 * /proc/loadavg (proc_loadavg(5)) has the number of runnable tasks of the whole machine, this one
 * included: the cheapest look there is, one pread(2). Where the process may use only some of the
 * processors it says little about those; involuntary context switches do.
 */
import * as fs from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { cpuQuota } from "./cgroup.ts";

/** As it is now: a guest's `fs` gets wrapped after this module was loaded. */
const { openSync, readSync } = fs;

/**
 * Tasks to a processor that are a crowd. Threads of V8 that compile and collect want to run in
 * bursts, and two that poll for each other fill two processors by themselves: with one task to a
 * processor nobody polled on a machine of two that did nothing else (measured: round trips of 50 us
 * instead of 8).
 */
const CROWD = 2;

const SPACE = 0x20;
const SLASH = 0x2f;
const ZERO = 0x30;

export interface ProcessorWatch {
  /** Processors that this process may use: affinity, and cgroup quota rounded up. */
  readonly processors: number;
  /** Involuntary context switches of this process so far. */
  involuntarySwitches(): number;
  /** Whether many more tasks want to run than there are processors; undefined: cannot be told. */
  contended(): boolean | undefined;
}

/** Runnable tasks in the text of /proc/loadavg, "0.20 0.18 0.12 1/80 11206"; undefined: none. */
export function runnableTasks(text: Uint8Array, length: number): number | undefined {
  let spaces = 0;
  let tasks = -1;
  for (let i = 0; i < length; i++) {
    const byte = text[i]!;
    if (spaces === 3 && byte === SLASH) return tasks > 0 ? tasks : undefined;
    if (byte === SPACE) spaces++;
    else if (spaces === 3) {
      if (byte < ZERO || byte > ZERO + 9) return undefined;
      tasks = Math.max(tasks, 0) * 10 + byte - ZERO;
    }
  }
  return undefined;
}

/** Opens a descriptor for the life of the process, at once: later it would look like a leak. */
export function watchProcessors(): ProcessorWatch {
  const text = new Uint8Array(64);
  const online = cpus().length;
  let fd = -1;
  try {
    if (online > 0) fd = openSync("/proc/loadavg", "r");
  } catch {
    // No /proc: only the switches tell.
  }
  return {
    processors: Math.min(availableParallelism(), Math.ceil(cpuQuota())),
    involuntarySwitches: () => process.resourceUsage().involuntaryContextSwitches,
    contended: () => {
      if (fd === -1) return undefined;
      try {
        const tasks = runnableTasks(text, readSync(fd, text, 0, text.length, 0));
        return tasks === undefined ? undefined : tasks > online * CROWD;
      } catch {
        // Somebody closed it: the number may be another file's.
        fd = -1;
        return undefined;
      }
    },
  };
}
