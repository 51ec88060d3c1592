/** System calls of the host with results as the guest kernel has them: negative errno values. */
import { AF_INET, AF_INET6 } from "@outsock/abi";
import { type InetAddress, SysError } from "@outsock/hostsys";
import type { SocketAddress } from "../net/protocol-family.ts";

/** @returns the number that `call` gives, or a negative errno */
export function numberOf(call: () => number): number {
  try {
    return call();
  } catch (error) {
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

/** @returns 0 or a negative errno */
export function statusOf(call: () => void): number {
  return numberOf(() => {
    call();
    return 0;
  });
}

/** @returns what `read` gives, undefined when it fails */
export function nameOf(read: () => InetAddress | null): SocketAddress | undefined {
  let name: InetAddress | null = null;
  statusOf(() => {
    name = read();
  });
  return name === null ? undefined : toSocketAddress(name);
}

function toSocketAddress({ address, port, family }: InetAddress): SocketAddress {
  return { family: family === 6 ? AF_INET6 : AF_INET, address, port };
}

/** A getsockopt result. */
export function optionOf(read: () => number): { result: number; value: number } {
  let value = 0;
  const result = statusOf(() => {
    value = read();
  });
  return { result, value };
}
