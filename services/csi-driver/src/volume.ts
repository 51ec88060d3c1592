/**
 * A pod's volume: a small read-only tmpfs with `agent/` (the directory of the pod's socket) and
 * `runtime/` (the guest runtime) bound in it, read-only too.
 */
import { mkdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { bindMount, mountTmpfs, parseMountInfo, remountBind, unmount } from "@outsock/hostsys";

/** Two directories live on it. */
const TMPFS_BYTES = 64 * 1024;

export interface VolumeParts {
  agent: string;
  runtime: string;
}

const PARTS = ["agent", "runtime"] as const;

/** Paths at which something is mounted, in order of mounting. */
export function mountPoints(): string[] {
  return parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8")).map(({ path }) => path);
}

/** All three mounts are there, once each, and the pod's socket is where the agent listens now. */
function isComplete(target: string, { agent }: VolumeParts): boolean {
  const points = mountPoints();
  const mounted = [target, ...PARTS.map((part) => join(target, part))].every(
    (path) => points.filter((point) => point === path).length === 1,
  );
  if (!mounted) return false;
  const [here, there] = [join(target, "agent"), agent].map((path) => statSync(path));
  return here?.ino === there?.ino && here?.dev === there?.dev;
}

/** Mounts the volume; what is left of an attempt of before is taken away first. @throws SysError */
export function publish(target: string, parts: VolumeParts): void {
  if (isComplete(target, parts)) return;
  unpublish(target);
  mkdirSync(target, { recursive: true, mode: 0o750 });
  try {
    mountTmpfs(target, { mode: 0o755, bytes: TMPFS_BYTES });
    for (const part of PARTS) {
      const path = join(target, part);
      mkdirSync(path, { mode: 0o755 });
      bindMount(parts[part], path, { readOnly: true });
    }
    remountBind(target, { readOnly: true });
  } catch (error) {
    unpublish(target);
    throw error;
  }
}

/** Unmounts everything at and below `target`, and removes it; nothing there is fine. @throws SysError */
export function unpublish(target: string): void {
  const below = `${target}/`;
  const points = mountPoints().filter((path) => path === target || path.startsWith(below));
  // A process that sits in it (a stopped container's, a shell of the node's) must not keep the pod.
  for (const path of points.toReversed()) unmount(path, { lazy: true });
  try {
    rmdirSync(target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTEMPTY") throw error;
  }
}
