/**
 * What the process's memory cgroup still allows. Sources: Documentation/admin-guide/cgroup-v2.rst,
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

/** @param cgroups text of /proc/[pid]/cgroup. @param root where the hierarchies are mounted */
export function headroomIn(cgroups: string, root: string): number | null {
  let least: number | undefined;
  for (const line of cgroups.split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    const path = rest.join(":");
    if (!path.startsWith("/")) continue;
    const version = controllers === "" ? 2 : 1;
    if (version === 1 && !controllers?.split(",").includes("memory")) continue;
    const mount = version === 2 ? root : join(root, "memory");
    // "/.." stands before the path of a process outside of our cgroup namespace.
    for (let at = path.replaceAll("/..", "") || "/"; ; at = dirname(at)) {
      const headroom = headroomOf(join(mount, at), version);
      if (headroom !== undefined) least = Math.min(least ?? headroom, headroom);
      if (at === "/") break;
    }
  }
  return least ?? null;
}

/**
 * Bytes that this process's memory cgroup and those above it still allow; page cache that can be
 * dropped (inactive_file) counts as free. null where there is no limit, or it cannot be told.
 */
export function memoryHeadroom(): number | null {
  const cgroups = readText("/proc/self/cgroup");
  return cgroups === undefined ? null : headroomIn(cgroups, "/sys/fs/cgroup");
}
