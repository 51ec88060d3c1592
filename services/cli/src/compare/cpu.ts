import { readdirSync, readFileSync } from "node:fs";

/** Linux counts processor time in ticks of 1/100 s in /proc/<pid>/stat. */
const TICK_MS = 10;

/** utime + stime of a /proc/<pid>/stat line. The command in it may hold spaces and parentheses. */
export function parseStat(text: string): number {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Time on the processor of a schedstat line, which counts in ns. */
export function parseSchedstat(text: string): number {
  return Number(text.split(" ")[0]) / 1e6;
}

/**
 * Processor time of a process and all its threads in ms; undefined when it is gone, or where there
 * is no /proc. Threads' schedstat has nanoseconds; stat has ticks, but counts ended threads too.
 */
export function processCpuMs(pid: number, proc = "/proc"): number | undefined {
  try {
    const ticks = parseStat(readFileSync(`${proc}/${pid}/stat`, "utf8"));
    const fine = threadsCpuMs(`${proc}/${pid}/task`);
    // The threads alive explain all but the rounding: then the finer count is the better one.
    return fine !== undefined && fine > ticks - 2 * TICK_MS ? fine : ticks;
  } catch {
    return undefined;
  }
}

function threadsCpuMs(directory: string): number | undefined {
  try {
    let total = 0;
    for (const thread of readdirSync(directory)) {
      total += parseSchedstat(readFileSync(`${directory}/${thread}/schedstat`, "utf8"));
    }
    return total;
  } catch {
    return undefined;
  }
}

export interface MachineTime {
  readonly busyMs: number;
  readonly totalMs: number;
}

/** Time of all processors together, from the first line of /proc/stat. */
export function parseMachineTime(text: string): MachineTime {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
    text.split("\n")[0] ?? ""
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softirq + steal;
  return { busyMs: busy * TICK_MS, totalMs: (busy + idle + iowait) * TICK_MS };
}

export function machineTime(): MachineTime | undefined {
  try {
    return parseMachineTime(readFileSync("/proc/stat", "utf8"));
  } catch {
    return undefined;
  }
}
