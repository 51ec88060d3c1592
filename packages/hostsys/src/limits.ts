/** Limits of the process: getrlimit(2). */
import { check, libc } from "./libc.ts";

/** RLIMIT_ numbers of asm-generic. */
const RESOURCES = { fsize: 1, nofile: 7, as: 9 } as const;
const RLIM_INFINITY = 0xffffffffffffffffn;

/**
 * getrlimit(2): descriptors (`nofile`), bytes of a file (`fsize`), bytes of address space (`as`);
 * Infinity where there is no limit.
 */
export function getrlimit(resource: keyof typeof RESOURCES): { soft: number; hard: number } {
  const call = libc<(resource: number, limits: BigUint64Array) => number>(
    "int getrlimit(int resource, void *limits)",
  );
  const limits = new BigUint64Array(2);
  check("getrlimit", call(RESOURCES[resource], limits));
  const value = (n: bigint): number => (n === RLIM_INFINITY ? Number.POSITIVE_INFINITY : Number(n));
  return { soft: value(limits[0]!), hard: value(limits[1]!) };
}
