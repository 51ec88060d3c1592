/** Errors of node:dns (lib/internal/errors.js, DNSException). */
import { getSystemErrorMap } from "node:util";
import { UV_EAI } from "./getaddrinfo.ts";

export interface DnsError extends Error {
  errno: number | undefined;
  code: string;
  syscall: string;
  hostname?: string;
}

/** @param errno negative, of libuv */
export function dnsError(errno: number, syscall: string, hostname: string): DnsError {
  const unknown = errno === UV_EAI.NODATA || errno === UV_EAI.NONAME;
  const code = unknown ? "ENOTFOUND" : (getSystemErrorMap().get(errno)?.[0] ?? `E${-errno}`);
  const suffix = hostname === "" ? "" : ` ${hostname}`;
  const error = new Error(`${syscall} ${code}${suffix}`) as DnsError;
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (hostname !== "") error.hostname = hostname;
  return error;
}
