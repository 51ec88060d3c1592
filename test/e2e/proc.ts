/** What /proc tells of a process. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Descriptors of the process and what they are, as "socket:[123]". */
export function descriptors(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(`${directory}/${fd}`)];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}

/** Regions of guests that the process has mapped. */
export function mappedRegions(pid: number): number {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  return maps.split("\n").filter((line) => line.includes("memfd:outsock-")).length;
}

function status(pid: number, field: string): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
}

/** Resident memory of the process' own, without what it shares by files, bytes. */
export function anonymousMemory(pid: number): number {
  return status(pid, "RssAnon") * 1024;
}

/** Resident memory shared by memfd and the like, bytes. */
export function sharedMemoryOf(pid: number): number {
  return status(pid, "RssShmem") * 1024;
}

/** True while the process runs: a zombie has ended. */
export function alive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

export interface ListeningSocket {
  address: string;
  port: number;
}

function inet(hex: string): string {
  if (hex.length === 8) {
    return hex
      .match(/../g)!
      .reverse()
      .map((byte) => Number.parseInt(byte, 16))
      .join(".");
  }
  return `ipv6:${hex.toLowerCase()}`;
}

/** Established TCP connections of which the process has a descriptor (proc(5), /proc/net/tcp). */
export function establishedSockets(pid: number): number {
  const inodes = new Set(
    descriptors(pid).flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []),
  );
  const ESTABLISHED = "01";
  const lines = readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").slice(1);
  return lines.filter((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[3] === ESTABLISHED && inodes.has(fields[9] ?? "");
  }).length;
}

/** Listening TCP sockets and bound UDP sockets of a process (proc(5), /proc/net/tcp). */
export function listeners(pid: number): ListeningSocket[] {
  const inodes = new Set(
    descriptors(pid).flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []),
  );
  const LISTEN = "0A";
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .flatMap((line) => {
        const fields = line.trim().split(/\s+/);
        const [address, port] = (fields[1] ?? "").split(":");
        if (address === undefined || port === undefined || !inodes.has(fields[9] ?? "")) return [];
        if (table.startsWith("tcp") && fields[3] !== LISTEN) return [];
        return [{ address: inet(address), port: Number.parseInt(port, 16) }];
      }),
  );
}
