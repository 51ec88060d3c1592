/**
 * Errors as Node makes them from system errors (lib/internal/errors.js): same message, code,
 * errno (negative, as libuv's), syscall, address, port.
 */
import { getSystemErrorMap } from "node:util";
import { errnoName } from "@outsock/abi";

export interface SystemError extends Error {
  code: string;
  errno: number;
  syscall: string;
  address?: string;
  port?: number;
  localAddress?: string;
  localPort?: number;
}

/** libuv's name and sentence of a negative errno. */
function described(errno: number): [string, string] {
  return getSystemErrorMap().get(errno) ?? [errnoName(-errno), "unknown error"];
}

/** `read ECONNRESET` */
export function errnoException(errno: number, syscall: string): SystemError {
  const [code] = described(errno);
  const error = new Error(`${syscall} ${code}`) as SystemError;
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  return error;
}

/** `connect ECONNREFUSED 127.0.0.1:80 - Local (0.0.0.0:0)` */
export function connectException(
  errno: number,
  address: string,
  port: number,
  details?: string,
): SystemError {
  const [code] = described(errno);
  const where = port > 0 ? `${address}:${port}` : address;
  const local = details === undefined ? "" : ` - Local (${details})`;
  const error = new Error(`connect ${code} ${where}${local}`) as SystemError;
  error.errno = errno;
  error.code = code;
  error.syscall = "connect";
  error.address = address;
  if (port > 0) error.port = port;
  return error;
}

/** `listen EADDRINUSE: address already in use :::80` */
export function listenException(
  errno: number,
  syscall: string,
  address: string | undefined,
  port: number,
): SystemError {
  const [code, sentence] = described(errno);
  let where = "";
  if (port > 0) where = address === undefined ? ` ${port}` : ` ${address}:${port}`;
  else if (address !== undefined) where = ` ${address}`;
  const error = new Error(`${syscall} ${code}: ${sentence}${where}`) as SystemError;
  error.code = code;
  error.errno = errno;
  error.syscall = syscall;
  if (address !== undefined) error.address = address;
  if (port > 0) error.port = port;
  return error;
}

/** An error with a code of Node's own, e.g. ERR_SOCKET_CLOSED. */
export function codedError<E extends Error>(
  make: new (message: string) => E,
  code: string,
  message: string,
): E & { code: string } {
  const error = new make(message) as E & { code: string };
  error.code = code;
  const { stack, name } = error;
  if (stack !== undefined) error.stack = stack.replace(name, `${name} [${code}]`);
  return error;
}
