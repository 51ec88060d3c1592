/** Makes a guest's region: a memfd, sealed before anybody else sees it. */
import { DEFAULT_REGION_BYTES, MIN_REGION_BYTES } from "@outsock/abi";
import {
  closeFd,
  ftruncate,
  getrlimit,
  type Mapping,
  mapShared,
  memfdCreate,
  memoryHeadroom,
  SysError,
  sealRegion,
} from "@outsock/hostsys";

/** A request that cannot be met, in one sentence for the user. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Least memory that must be left in the memory cgroup to start a guest. */
const LEAST_HEADROOM = 8 * 1024 * 1024;

const mib = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)} MiB`;

/** @throws Refused */
export function makeRegion(
  name: string,
  size = DEFAULT_REGION_BYTES,
): { fd: number; mapping: Mapping; bytes: number } {
  const limit = getrlimit("fsize").soft;
  let bytes = size;
  // A smaller region serves fewer connections; a limit below the least serves none.
  while (bytes > limit && bytes > MIN_REGION_BYTES) bytes /= 2;
  if (bytes > limit) {
    throw new Refused(
      "EFBIG",
      `no memory for the region of guest "${name}": the file size limit (ulimit -f) allows ` +
        `${limit} bytes, a region needs at least ${mib(MIN_REGION_BYTES)}; raise it for the agent`,
    );
  }
  const headroom = memoryHeadroom();
  if (headroom !== null && headroom < LEAST_HEADROOM) {
    throw new Refused(
      "ENOMEM",
      `no memory for the region of guest "${name}": the agent's memory cgroup has ` +
        `${mib(headroom)} left, starting a guest needs ${mib(LEAST_HEADROOM)}; raise its limit`,
    );
  }
  let fd = -1;
  try {
    fd = memfdCreate(`outsock-${name}`);
    ftruncate(fd, bytes);
    sealRegion(fd);
    return { fd, mapping: mapShared(fd, bytes), bytes };
  } catch (error) {
    if (fd !== -1) closeFd(fd);
    if (!(error instanceof SysError)) throw error;
    throw new Refused(
      error.code,
      `no memory for the region of guest "${name}" (${mib(bytes)}): ${error.message}`,
    );
  }
}
