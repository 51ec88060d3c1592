/** What a process may do (capabilities(7)), by /proc/<pid>/status. */
import { readFileSync } from "node:fs";

const NUMBERS = { NET_BIND_SERVICE: 10, NET_ADMIN: 12, SYS_PTRACE: 19, SYS_ADMIN: 21 } as const;
export type Capability = keyof typeof NUMBERS;

/** @param status text of /proc/<pid>/status */
export function hasCapability(status: string, capability: Capability): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask === undefined) return false;
  return ((BigInt(`0x${mask}`) >> BigInt(NUMBERS[capability])) & 1n) === 1n;
}

/** Those of `wanted` that this process lacks. */
export function missingCapabilities(wanted: readonly Capability[]): Capability[] {
  const status = readFileSync("/proc/self/status", "latin1");
  return wanted.filter((capability) => !hasCapability(status, capability));
}
