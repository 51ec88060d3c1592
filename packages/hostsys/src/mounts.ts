/** mount(2), umount2(2): what a volume driver needs of them. All need CAP_SYS_ADMIN. */
import { check, ERRNO, lastErrno, libc, SysError, sysError } from "./libc.ts";

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

export interface MountFlags {
  readOnly?: boolean;
  noExec?: boolean;
}

/** Nothing that is mounted here brings devices or set-user-id programs. */
function flagsOf({ readOnly, noExec }: MountFlags): number {
  return MS_NOSUID | MS_NODEV | (readOnly ? MS_RDONLY : 0) | (noExec ? MS_NOEXEC : 0);
}

function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): void {
  for (const path of [source, target]) {
    if (path.includes("\0")) throw new SysError("mount", ERRNO.EINVAL, "a path holds a NUL");
  }
  const call = libc<
    (s: string, t: string, type: string | null, flags: number, data: string | null) => number
  >(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  );
  check("mount", call(source, target, type, flags, data));
}

/**
 * A tmpfs on `target`, nosuid and nodev. @param mode of its root, as 0o755
 * @throws SysError EPERM, ENOENT, ENOTDIR
 */
export function mountTmpfs(
  target: string,
  { mode, bytes }: { mode: number; bytes: number },
  flags: MountFlags = {},
): void {
  const data = `mode=${mode.toString(8)},size=${bytes}`;
  mount("outsock", target, "tmpfs", flagsOf(flags), data);
}

/**
 * Shows `source` on `target` too, nosuid and nodev. A bind takes its flags by a second call
 * (mount(2), "Creating a bind mount"); one that cannot be restricted is taken away again.
 * @throws SysError EPERM, ENOENT, ENOTDIR
 */
export function bindMount(source: string, target: string, flags: MountFlags = {}): void {
  mount(source, target, null, MS_BIND, null);
  try {
    remountBind(target, flags);
  } catch (error) {
    unmount(target);
    throw error;
  }
}

/** Changes the flags of a mount, not those of its file system. @throws SysError EPERM, EINVAL */
export function remountBind(target: string, flags: MountFlags): void {
  mount("none", target, null, MS_BIND | MS_REMOUNT | flagsOf(flags), null);
}

/**
 * Takes away what is mounted last on `target`; not through a symbolic link.
 * @returns false when nothing is mounted there, or nothing is there
 * @throws SysError EBUSY, EPERM
 */
export function unmount(target: string, { lazy = false } = {}): boolean {
  const call = libc<(target: string, flags: number) => number>(
    "int umount2(const char *target, int flags)",
  );
  if (call(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) === 0) return true;
  const errno = lastErrno();
  if (errno === ERRNO.EINVAL || errno === ERRNO.ENOENT) return false;
  throw sysError("umount2", errno);
}

export interface MountPoint {
  /** As the kernel shows it, its escapes (\040) undone. */
  path: string;
  /** Directory of the file system that is mounted there. */
  root: string;
  type: string;
  source: string;
  /** Mounts in it are seen by its peers (mount_namespaces(7)). */
  shared: boolean;
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );

/** Lines of /proc/[pid]/mountinfo (proc_pid_mountinfo(5)), in the order in which they came. */
export function parseMountInfo(text: string): MountPoint[] {
  const found: MountPoint[] = [];
  for (const line of text.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, path, , ...optional] = before.split(" ");
    const [type, source] = after.split(" ");
    if (root === undefined || path === undefined || type === undefined) continue;
    found.push({
      path: Buffer.from(unescaped(path), "latin1").toString("utf8"),
      root: Buffer.from(unescaped(root), "latin1").toString("utf8"),
      type,
      source: source ?? "",
      shared: optional.some((field) => field.startsWith("shared:")),
    });
  }
  return found;
}
