/** Limits of the process: getrlimit(2), and what its memory cgroup still allows. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { check, libc } from "./libc.ts";

const RESOURCES = { fsize: 1, nofile: 7, as: 9 } as const;
/** cgroup v1 writes "no limit" as a huge number. */
const NO_LIMIT = 2 ** 60;

/** Soft and hard limit; Infinity where there is none. */
export function getrlimit(resource: keyof typeof RESOURCES): { soft: number; hard: number } {
  const call = libc<(resource: number, limits: BigUint64Array) => number>(
    "int getrlimit(int resource, void *limits)",
  );
  const limits = new BigUint64Array(2);
  check("getrlimit", call(RESOURCES[resource], limits));
  const value = (n: bigint): number => (n === 0xffffffffffffffffn ? Infinity : Number(n));
  return { soft: value(limits[0]!), hard: value(limits[1]!) };
}

function readNumber(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return text === "max" ? Infinity : Number(text);
  } catch {
    return undefined;
  }
}

/** A field of memory.stat, 0 where it is missing. */
function statField(path: string, field: string): number {
  try {
    const line = readFileSync(path, "utf8")
      .split("\n")
      .find((l) => l.startsWith(`${field} `));
    return Number(line?.split(" ")[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Bytes that one cgroup directory still allows; Infinity without a limit. */
function headroomOf(directory: string, version: 1 | 2): number | undefined {
  const [limitFile, usageFile, reclaimable] =
    version === 2
      ? ["memory.max", "memory.current", "inactive_file"]
      : ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
  const limit = readNumber(join(directory, limitFile!));
  const usage = readNumber(join(directory, usageFile!));
  if (limit === undefined || usage === undefined) return undefined;
  if (limit >= NO_LIMIT) return Infinity;
  return limit - usage + statField(join(directory, "memory.stat"), reclaimable!);
}

/**
 * Bytes that the process's memory cgroup and those above it still allow, page cache that can be
 * dropped counted as free; null where there is no limit or it cannot be told.
 * Source: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst.
 */
export function memoryHeadroom(): number | null {
  let text: string;
  try {
    text = readFileSync("/proc/self/cgroup", "utf8");
  } catch {
    return null;
  }
  let least = Infinity;
  for (const line of text.split("\n")) {
    const [, controllers, path] = line.split(":");
    if (path === undefined) continue;
    const v2 = controllers === "";
    if (!v2 && !controllers?.split(",").includes("memory")) continue;
    const root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    for (let at = path; ; at = dirname(at)) {
      const headroom = headroomOf(join(root, at), v2 ? 2 : 1);
      if (headroom !== undefined) least = Math.min(least, headroom);
      if (at === "/" || at === ".") break;
    }
  }
  return least === Infinity ? null : Math.max(0, least);
}
