/**
 * What a guest program reads about its machine: the guest kernel's own files in node:fs, and
 * node:os's host name and interfaces. Every other path goes to Node untouched.
 */
import type * as fs from "node:fs";
import type * as os from "node:os";
import type { Syscalls } from "../kernel/syscalls.ts";

type Fs = typeof fs;
type Any = (...args: unknown[]) => unknown;

/** Paths that may be the kernel's; the kernel is asked for these alone. */
const PATHS: ReadonlyMap<string, string> = new Map(
  [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/hostname",
    ...["tcp", "tcp6", "udp", "udp6"].map((table) => `/proc/net/${table}`),
  ].flatMap((path) => [
    [path, path],
    [path.replace("/proc/net", "/proc/self/net"), path],
  ]),
);

type Encoding = BufferEncoding | "buffer" | null | undefined;

/** Encoding of a plain read; undefined for options that Node has to judge. */
function readOptions(given: unknown): { encoding: Encoding } | undefined {
  if (given === undefined || given === null) return { encoding: null };
  const options = typeof given === "string" ? { encoding: given } : given;
  if (typeof options !== "object") return undefined;
  const { encoding, flag, signal } = options as { encoding?: Encoding; [k: string]: unknown };
  if (signal !== undefined || (flag !== undefined && flag !== "r")) return undefined;
  const known = !encoding || encoding === "buffer" || Buffer.isEncoding(encoding);
  return known ? { encoding } : undefined;
}

/** Puts the kernel's files over those of the file system that are read whole. */
export function patchFs(sys: Syscalls, module: Fs): void {
  /** @returns undefined for what is not the kernel's */
  const read = (path: unknown, given?: unknown): string | Buffer | undefined => {
    if (typeof path !== "string") return undefined;
    const own = PATHS.get(path);
    if (own === undefined) return undefined;
    const options = readOptions(given);
    if (options === undefined) return undefined;
    const text = sys.readText(own);
    if (typeof text === "number") return undefined;
    const { encoding } = options;
    const bytes = Buffer.from(text);
    return !encoding || encoding === "buffer" ? bytes : bytes.toString(encoding);
  };

  const native = {
    readFileSync: module.readFileSync as Any,
    readFile: module.readFile as unknown as Any,
    existsSync: module.existsSync as Any,
    promised: module.promises.readFile as Any,
  };
  const functions = {
    readFileSync(path: unknown, options?: unknown): unknown {
      return read(path, options) ?? native.readFileSync(path, options);
    },
    readFile(...args: unknown[]): unknown {
      const callback = args.at(-1);
      const content =
        typeof callback === "function" && args.length > 1
          ? read(args[0], args.length > 2 ? args[1] : undefined)
          : undefined;
      if (content === undefined) return native.readFile(...args);
      setImmediate(callback as (...results: unknown[]) => void, null, content);
      return undefined;
    },
    existsSync(path: unknown): unknown {
      return read(path) !== undefined || native.existsSync(path);
    },
  };
  Object.assign(module, functions);
  Object.assign(module.promises, {
    async readFile(path: unknown, options?: unknown): Promise<unknown> {
      return read(path, options) ?? native.promised(path, options);
    },
  });
}

type Interfaces = NodeJS.Dict<os.NetworkInterfaceInfo[]>;

const LOOPBACK: os.NetworkInterfaceInfo[] = [
  {
    address: "127.0.0.1",
    netmask: "255.0.0.0",
    family: "IPv4",
    mac: "00:00:00:00:00:00",
    internal: true,
    cidr: "127.0.0.1/8",
  },
  {
    address: "::1",
    netmask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    family: "IPv6",
    mac: "00:00:00:00:00:00",
    internal: true,
    cidr: "::1/128",
    scopeid: 0,
  },
];

/** A locally administered address, 02:00 and the four bytes of the IPv4 address. */
function hardwareAddress(address: string): string {
  const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return ["02", "00", ...bytes].join(":");
}

/** @param addressOf the guest's IPv4 address, undefined before it has one */
export function patchOs(
  sys: Syscalls,
  module: typeof os,
  addressOf: () => string | undefined,
): void {
  const hostname = (): string => sys.uname().nodename;
  const networkInterfaces = (): Interfaces => {
    const interfaces: Interfaces = { lo: LOOPBACK.map((info) => ({ ...info })) };
    const address = addressOf();
    if (address !== undefined) {
      interfaces.eth0 = [
        {
          address,
          netmask: "255.255.0.0",
          family: "IPv4",
          mac: hardwareAddress(address),
          internal: false,
          cidr: `${address}/16`,
        },
      ];
    }
    return interfaces;
  };
  // Node's os.hostname converts to its own result in a template.
  Object.defineProperty(hostname, Symbol.toPrimitive, { value: hostname });
  Object.assign(module, { hostname, networkInterfaces });
}
