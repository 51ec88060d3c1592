/**
 * Claims guest addresses of 127.77.0.0/16. Several agents may run on one machine (other users,
 * tests), so an address is held by a socket bound to a fixed port of it: a lock that the kernel
 * drops with its owner.
 */
import { randomInt } from "node:crypto";
import { bindInet, closeFd, inetSocket, SysError } from "@outsock/hostsys";

/** Bound, never listened on: nothing answers there. */
const CLAIM_PORT = 65077;
const ADDRESSES = 255 * 254;

export interface Claim {
  address: string;
  release(): void;
}

function addressOf(n: number): string {
  return `127.77.${1 + Math.floor(n / 254)}.${1 + (n % 254)}`;
}

function tryClaim(address: string): Claim | undefined {
  const fd = inetSocket("tcp");
  try {
    bindInet(fd, address, CLAIM_PORT);
  } catch (error) {
    closeFd(fd);
    if (error instanceof SysError && error.code === "EADDRINUSE") return undefined;
    throw error;
  }
  return { address, release: () => closeFd(fd) };
}

/**
 * @param wanted the address that the guest had before
 * @throws SysError when no socket is to be had, or every address is taken (EADDRINUSE)
 */
export function claimAddress(wanted?: string): Claim {
  if (wanted !== undefined && /^127\.77\.[1-9]\d{0,2}\.\d{1,3}$/.test(wanted)) {
    const claim = tryClaim(wanted);
    if (claim !== undefined) return claim;
  }
  const start = randomInt(ADDRESSES);
  for (let i = 0; i < ADDRESSES; i++) {
    const claim = tryClaim(addressOf((start + i) % ADDRESSES));
    if (claim !== undefined) return claim;
  }
  throw new Error("all addresses of 127.77.0.0/16 are taken");
}
