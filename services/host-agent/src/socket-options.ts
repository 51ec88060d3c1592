/** Socket options that a guest may set on the real socket, and the checks on them. */
import {
  ERRNO,
  errnoOf,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_TCP,
  SO_BROADCAST,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from "@outsock/abi";
import { getsockoptInt, SysError, setsockoptInt } from "@outsock/hostsys";
import type { SocketOption } from "./session-sockets.ts";

const ALLOWED = new Set(
  [
    [SOL_SOCKET, SO_KEEPALIVE],
    [SOL_SOCKET, SO_SNDBUF],
    [SOL_SOCKET, SO_RCVBUF],
    [SOL_SOCKET, SO_BROADCAST],
    [SOL_SOCKET, SO_REUSEADDR],
    [SOL_SOCKET, SO_REUSEPORT],
    [SOL_SOCKET, SO_ERROR],
    [IPPROTO_TCP, TCP_NODELAY],
    [IPPROTO_TCP, TCP_KEEPIDLE],
    [IPPROTO_TCP, TCP_KEEPINTVL],
    [IPPROTO_TCP, TCP_KEEPCNT],
    [IPPROTO_IP, IP_TTL],
    [IPPROTO_IP, IP_TOS],
    [IPPROTO_IP, IP_MULTICAST_TTL],
    [IPPROTO_IP, IP_MULTICAST_LOOP],
  ].map(([level, name]) => `${level}/${name}`),
);

function errnoOfThrown(error: unknown): number {
  if (error instanceof SysError) return errnoOf(error.code);
  throw error;
}

/** @returns 0 or a positive errno */
export function setOptionOn(fd: number, { level, name, value }: SocketOption): number {
  const readOnly = level === SOL_SOCKET && name === SO_ERROR;
  if (!ALLOWED.has(`${level}/${name}`) || readOnly) return ERRNO.ENOPROTOOPT;
  try {
    setsockoptInt(fd, level, name, value);
    return 0;
  } catch (error) {
    return errnoOfThrown(error);
  }
}

export function getOptionOf(
  fd: number,
  level: number,
  name: number,
): { errno: number; value: number } {
  if (!ALLOWED.has(`${level}/${name}`)) return { errno: ERRNO.ENOPROTOOPT, value: 0 };
  try {
    return { errno: 0, value: getsockoptInt(fd, level, name) };
  } catch (error) {
    return { errno: errnoOfThrown(error), value: 0 };
  }
}

/** Options kept until the real socket is there. */
export class PendingOptions {
  private readonly options: SocketOption[] = [];

  set(option: SocketOption): number {
    if (!ALLOWED.has(`${option.level}/${option.name}`)) return ERRNO.ENOPROTOOPT;
    const old = this.options.findIndex((o) => o.level === option.level && o.name === option.name);
    if (old !== -1) this.options.splice(old, 1);
    this.options.push(option);
    return 0;
  }

  get(level: number, name: number): { errno: number; value: number } {
    if (!ALLOWED.has(`${level}/${name}`)) return { errno: ERRNO.ENOPROTOOPT, value: 0 };
    const option = this.options.find((o) => o.level === level && o.name === name);
    return { errno: 0, value: option?.value ?? 0 };
  }

  applyTo(fd: number): void {
    for (const option of this.options) setOptionOn(fd, option);
  }
}
