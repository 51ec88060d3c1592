import { readdirSync, readFileSync } from "node:fs";

/** Linux counts processor time in ticks of 1/100 s in /proc/<pid>/stat. */
const TICK_US = 10_000;

/**
 * Processor time of a process and all its threads in us; undefined when it is gone. The threads'
 * schedstat has nanoseconds; stat has ticks, but counts ended threads too.
 */
function processCpuUs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command in it may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = (Number(fields[11]) + Number(fields[12])) * TICK_US;
    const fine = threadsCpuUs(pid);
    // The threads alive explain all but the rounding: then the finer count is the better one.
    return fine !== undefined && fine > ticks - 2 * TICK_US ? fine : ticks;
  } catch {
    return undefined;
  }
}

function threadsCpuUs(pid: number): number | undefined {
  try {
    let total = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const line = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      total += Number(line.split(" ")[0]) / 1000;
    }
    return total;
  } catch {
    return undefined;
  }
}

/** Processor time of several processes together, us; NaN when one of them is gone. */
export function cpuUs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (processCpuUs(pid) ?? Number.NaN), 0);
}

/** Time that all processors of the machine were busy, us; what a hypervisor stole included. */
export function machineBusyUs(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_US;
}
