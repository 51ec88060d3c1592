import { constants } from "node:os";

/**
 * errno values of Linux (asm-generic/errno.h), positive. Written out, not taken from node:os,
 * because they cross the guest/host boundary and a test bed may run elsewhere.
 */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EEXIST: 17,
  EINVAL: 22,
  EMFILE: 24,
  EPIPE: 32,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
  ENOTSOCK: 88,
  ENOSYS: 38,
  ECANCELED: 125,
} as const;
export type ErrnoName = keyof typeof ERRNO;

const NAMES = new Map<number, string>(Object.entries(ERRNO).map(([name, n]) => [n, name]));

/** Name of a positive errno, `E<number>` where it has none here. */
export function errnoName(errno: number): string {
  const name = NAMES.get(errno);
  if (name !== undefined) return name;
  for (const [key, value] of Object.entries(constants.errno)) if (value === errno) return key;
  return `E${errno}`;
}

/** Positive errno of a Node error code such as "ECONNREFUSED"; EIO where it is unknown. */
export function errnoOf(code: string | undefined): number {
  if (code === undefined) return ERRNO.EIO;
  for (const table of [ERRNO, constants.errno] as Record<string, number>[]) {
    if (Object.hasOwn(table, code)) return table[code]!;
  }
  return ERRNO.EIO;
}
