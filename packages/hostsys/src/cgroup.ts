/**
 * What the process's cgroups still allow of memory and processors. Sources: Documentation/admin-guide/cgroup-v2.rst,
 * cgroup-v1/memory.rst, cgroups(7), cgroup_namespaces(7).
 *
 * A limit binds everything below it, so the least of the cgroup and all its ancestors counts. The
 * path in /proc/self/cgroup need not exist under /sys/fs/cgroup: in a container without a cgroup
 * namespace the path is the host's while the mount shows the container's own cgroup as root. So
 * directories that are missing are passed over, and the walk always ends at the root.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** cgroup v1 writes "no limit" as the largest number of pages. */
const NO_LIMIT = 2 ** 60;

const FILES = {
  1: {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
  },
  2: { limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file" },
} as const;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** A count of bytes, Infinity for "max", undefined when it cannot be read. */
function readBytes(path: string): number | undefined {
  const text = readText(path)?.trim();
  if (text === "max") return Number.POSITIVE_INFINITY;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Bytes that one cgroup still allows; undefined without a limit, or without a cgroup. */
function headroomOf(directory: string, version: 1 | 2): number | undefined {
  const files = FILES[version];
  const limit = readBytes(join(directory, files.limit));
  const usage = readBytes(join(directory, files.usage));
  if (limit === undefined || usage === undefined || limit >= NO_LIMIT) return undefined;
  const stat = readText(join(directory, "memory.stat")) ?? "";
  const reclaimable = new RegExp(`^${files.reclaimable} (\\d+)$`, "m").exec(stat)?.[1] ?? 0;
  return Math.max(0, limit - usage + Math.min(Number(reclaimable), usage));
}

/**
 * Directories of the cgroup and all above it, where `controller` counts.
 * @param cgroups text of /proc/[pid]/cgroup. @param root where the hierarchies are mounted
 */
function* directories(
  cgroups: string,
  root: string,
  controller: string,
): Generator<{ directory: string; version: 1 | 2 }> {
  for (const line of cgroups.split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    const path = rest.join(":");
    if (!path.startsWith("/")) continue;
    const version = controllers === "" ? 2 : 1;
    if (version === 1 && !controllers?.split(",").includes(controller)) continue;
    const mount = version === 2 ? root : join(root, controller);
    // "/.." stands before the path of a process outside of our cgroup namespace.
    for (let at = path.replaceAll("/..", "") || "/"; ; at = dirname(at)) {
      yield { directory: join(mount, at), version };
      if (at === "/") break;
    }
  }
}

/** @param cgroups text of /proc/[pid]/cgroup. @param root where the hierarchies are mounted */
export function headroomIn(cgroups: string, root: string): number | null {
  let least: number | undefined;
  for (const { directory, version } of directories(cgroups, root, "memory")) {
    const headroom = headroomOf(directory, version);
    if (headroom !== undefined) least = Math.min(least ?? headroom, headroom);
  }
  return least ?? null;
}

/** Processors' worth of time that the cgroup and those above it allow; Infinity without a limit. */
export function cpuQuotaIn(cgroups: string, root: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { directory, version } of directories(cgroups, root, "cpu")) {
    // "max 100000" or "150000 100000"; version 1 has two files and -1 for no limit.
    const text =
      version === 2
        ? readText(join(directory, "cpu.max"))
        : ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
            .map((file) => readText(join(directory, file))?.trim())
            .join(" ");
    const quota = /^(\d+) (\d+)$/.exec(text?.trim() ?? "");
    if (quota !== null && Number(quota[2]) > 0) {
      least = Math.min(least, Number(quota[1]) / Number(quota[2]));
    }
  }
  return least;
}

/** Processors' worth of time that this process's cgroups allow it; Infinity without a limit. */
export function cpuQuota(): number {
  const cgroups = readText("/proc/self/cgroup");
  return cgroups === undefined ? Number.POSITIVE_INFINITY : cpuQuotaIn(cgroups, "/sys/fs/cgroup");
}

/**
 * Bytes that this process's memory cgroup and those above it still allow; page cache that can be
 * dropped (inactive_file) counts as free. null where there is no limit, or it cannot be told.
 */
export function memoryHeadroom(): number | null {
  const cgroups = readText("/proc/self/cgroup");
  return cgroups === undefined ? null : headroomIn(cgroups, "/sys/fs/cgroup");
}
