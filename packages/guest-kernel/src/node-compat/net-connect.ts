/**
 * `socket.connect()`: arguments, name lookup, one address or several (RFC 8305, as Node's
 * autoSelectFamily), errors. Follows lib/net.js.
 */
import type { LookupFunction, NetConnectOpts } from "node:net";
import { isIP, isIPv4 } from "node:net";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  ERRNO,
  SO_OUTSOCK_SHORTCUT,
  SOCK_STREAM,
  SOL_OUTSOCK,
} from "@outsock/abi";
import type { Natives } from "./natives.ts";
import { GuestSocket } from "./net-socket.ts";
import { codedError, connectException, type SystemError } from "./system-errors.ts";

export interface ConnectOptions {
  port?: number | string;
  host?: string;
  path?: string;
  localAddress?: string;
  localPort?: number;
  family?: number | string;
  hints?: number;
  lookup?: LookupFunction;
  autoSelectFamily?: boolean;
  autoSelectFamilyAttemptTimeout?: number;
  timeout?: number;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  blockList?: { check(address: string, family: string): boolean };
  outsock?: OutsockOptions;
}

/** What a program may say of a connection or a listener; plain Node does not look at it. */
export interface OutsockOptions {
  /** `false` keeps the bytes on the relay through the host agent. */
  shortcut?: boolean;
}

interface Address {
  address: string;
  family: number;
}

/** Node knows block lists of connections from 22.13 on. */
const [MAJOR = 0, MINOR = 0] = process.versions.node.split(".").map(Number);
export const HAS_BLOCK_LISTS = MAJOR > 22 || (MAJOR === 22 && MINOR >= 13);

function blocks({ blockList }: ConnectOptions, { address, family }: Address): boolean {
  return HAS_BLOCK_LISTS && Boolean(blockList?.check(address, `ipv${family}`));
}

/** Arguments as Node takes them: (options | port, host? | path, callback?). */
export function normalizeArguments(args: unknown[]): [ConnectOptions, (() => void) | null] {
  let list = args;
  if (args.length === 1 && Array.isArray(args[0])) list = args[0] as unknown[];
  const [first] = list;
  let options: ConnectOptions = {};
  if (typeof first === "object" && first !== null) options = first as ConnectOptions;
  else if (typeof first === "string" && Number.isNaN(Number(first))) options = { path: first };
  else if (list.length > 0) {
    options = { port: first as number };
    if (list.length > 1 && typeof list[1] === "string") options.host = list[1];
  }
  const last = list.at(-1);
  return [options, list.length > 0 && typeof last === "function" ? (last as () => void) : null];
}

class Connector {
  private readonly natives: Natives;
  private readonly lookup: LookupFunction;
  private readonly NativeSocket: Natives["net"]["Socket"];

  constructor(natives: Natives, lookup: LookupFunction) {
    this.natives = natives;
    this.NativeSocket = natives.net.Socket;
    this.lookup = lookup;
  }

  connect(socket: GuestSocket, args: unknown[]): void {
    const [options, callback] = normalizeArguments(args);
    this.validate(options);
    if (callback !== null) socket.once("connect", callback);
    if (socket.destroyed) socket._revive();
    // As Node: undoes the `write` of an ended life, and a subclass's with it.
    const { write } = GuestSocket.prototype;
    if (socket.write !== write) socket.write = write;
    socket._unrefTimer();
    socket.connecting = true;
    if (options.timeout) socket.setTimeout(options.timeout);
    if (options.path) {
      this.attemptPath(socket, options.path);
      return;
    }
    this.lookupAndConnect(socket, options);
  }

  /** Bad arguments: Node's own code throws its own error. */
  private validate(options: ConnectOptions): void {
    const { port, path, localAddress, localPort, lookup } = options;
    const portNumber = Number(port);
    const bad =
      (path && typeof path !== "string") ||
      (!path &&
        (port === undefined ||
          (typeof port !== "number" && typeof port !== "string") ||
          (typeof port === "string" && port.trim() === "") ||
          (options.host != null && typeof options.host !== "string") ||
          !Number.isInteger(portNumber) ||
          portNumber < 0 ||
          portNumber > 65535 ||
          (localAddress !== undefined && localAddress !== "" && isIP(localAddress) === 0) ||
          (localPort !== undefined && typeof localPort !== "number") ||
          (lookup !== undefined && typeof lookup !== "function") ||
          (options.autoSelectFamily !== undefined &&
            typeof options.autoSelectFamily !== "boolean") ||
          (options.autoSelectFamilyAttemptTimeout !== undefined &&
            !(options.autoSelectFamilyAttemptTimeout >= 1))));
    if (!bad) return;
    const probe = new this.NativeSocket();
    probe.on("error", () => {});
    try {
      probe.connect({ ...options, host: options.host ?? "127.0.0.1" } as NetConnectOpts);
    } finally {
      probe.destroy();
    }
  }

  private attemptPath(socket: GuestSocket, path: string): void {
    const { sys } = GuestSocket.loop;
    const fd = sys.socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
      process.nextTick(() => this.fail(socket, connectException(fd, path, 0)));
      return;
    }
    const stream = socket._adopt(fd);
    const status = stream.connect({ family: AF_UNIX, address: path, port: 0 }, (result) => {
      if (socket.destroyed) return;
      socket._run(() => {
        if (result === 0) socket._connected();
        else this.fail(socket, connectException(result, path, 0));
      });
    });
    if (status < 0) process.nextTick(() => this.fail(socket, connectException(status, path, 0)));
  }

  private lookupAndConnect(socket: GuestSocket, options: ConnectOptions): void {
    const host = options.host || "localhost";
    const port = Number(options.port);
    const literal = isIP(host);
    if (literal !== 0) {
      process.nextTick(() => {
        if (socket.connecting)
          this.attempt(socket, { address: host, family: literal }, port, options);
      });
      return;
    }
    const { family, localAddress } = options;
    const several =
      (options.autoSelectFamily ?? this.natives.net.getDefaultAutoSelectFamily()) &&
      family !== 4 &&
      family !== 6 &&
      !localAddress;
    socket._host = host;
    const lookup = options.lookup ?? this.lookup;
    const hints = options.hints ?? 0;
    const query = {
      family,
      hints: family !== 4 && family !== 6 && hints === 0 ? this.natives.dns.ADDRCONFIG : hints,
      ...(several ? { all: true } : {}),
    };
    lookup(host, query as Parameters<LookupFunction>[1], (error, found, foundFamily) => {
      // The rest as Node: results of a socket that was destroyed meanwhile are dropped.
      if (several && Array.isArray(found)) {
        this.onAddresses(socket, error, found as Address[], host, port, options);
        return;
      }
      socket.emit("lookup", error, found, foundFamily, host);
      if (!socket.connecting) return;
      if (error) {
        process.nextTick(() => socket.destroy(error));
        return;
      }
      const address = found as unknown as string;
      const kind = isIP(address);
      if (kind === 0) {
        const message = `Invalid IP address: ${address}`;
        const invalid = codedError(TypeError, "ERR_INVALID_IP_ADDRESS", message);
        process.nextTick(() => socket.destroy(invalid));
      } else if (foundFamily !== 4 && foundFamily !== 6) {
        const message = `Invalid address family: ${foundFamily} ${host}:${port}`;
        const invalid = codedError(RangeError, "ERR_INVALID_ADDRESS_FAMILY", message);
        Object.assign(invalid, { host, port });
        process.nextTick(() => socket.destroy(invalid));
      } else {
        socket._unrefTimer();
        this.attempt(socket, { address, family: kind }, port, options);
      }
    });
  }

  private onAddresses(
    socket: GuestSocket,
    error: Error | null,
    found: Address[],
    host: string,
    port: number,
    options: ConnectOptions,
  ): void {
    if (!error) {
      for (const { address, family } of found) socket.emit("lookup", error, address, family, host);
    } else {
      socket.emit("lookup", error, undefined, undefined, host);
    }
    if (!socket.connecting) return;
    if (error) {
      process.nextTick(() => socket.destroy(error));
      return;
    }
    // Families interleaved, the first one's first (RFC 8305 4).
    const valid = found.filter(({ address }) => isIP(address) !== 0);
    const first = valid[0];
    if (first === undefined) {
      const message = `Invalid IP address: ${found[0]?.address}`;
      process.nextTick(() => {
        socket.destroy(codedError(TypeError, "ERR_INVALID_IP_ADDRESS", message));
      });
      return;
    }
    const mine = valid.filter((a) => a.family === first.family);
    const other = valid.filter((a) => a.family !== first.family);
    const order: Address[] = [];
    for (let i = 0; i < Math.max(mine.length, other.length); i++) {
      if (mine[i] !== undefined) order.push(mine[i]!);
      if (other[i] !== undefined) order.push(other[i]!);
    }
    socket._unrefTimer();
    if (order.length === 1) {
      this.attempt(socket, first, port, options);
      return;
    }
    socket.autoSelectFamilyAttemptedAddresses = [];
    this.attemptSeveral(socket, order, 0, port, options, []);
  }

  /** Opens a descriptor for one address and connects it. @returns an error at once, or 0 */
  private start(
    socket: GuestSocket,
    { address, family }: Address,
    port: number,
    options: ConnectOptions,
    done: (status: number) => void,
  ): { status: number; details: string | undefined } {
    const { sys } = GuestSocket.loop;
    const domain = family === 6 ? AF_INET6 : AF_INET;
    const fd = sys.socket(domain, SOCK_STREAM, 0);
    if (fd < 0) return { status: fd, details: undefined };
    if (options.outsock?.shortcut === false) {
      sys.setsockopt(fd, SOL_OUTSOCK, SO_OUTSOCK_SHORTCUT, 0);
    }
    const stream = socket._adopt(fd);
    let details: string | undefined;
    const { localAddress, localPort } = options;
    if (localAddress || localPort) {
      const any = family === 6 ? "::" : "0.0.0.0";
      const local = localAddress || any;
      details = `${local}:${localPort ?? 0}`;
      // Node asks for an address of the family that it connects by.
      const wrongFamily = isIPv4(local) !== (family === 4);
      const status = wrongFamily
        ? -ERRNO.EINVAL
        : sys.bind(fd, {
            family: isIPv4(local) ? AF_INET : AF_INET6,
            address: local,
            port: localPort ?? 0,
          });
      if (status < 0) {
        const error = connectException(status, local, localPort ?? 0);
        error.message = error.message.replace(/^connect/, "bind");
        error.syscall = "bind";
        socket.destroy(error);
        return { status: 0, details };
      }
    }
    const status = stream.connect({ family: domain, address, port }, done);
    return { status, details };
  }

  private attempt(socket: GuestSocket, to: Address, port: number, options: ConnectOptions): void {
    const { address, family } = to;
    if (blocks(options, to)) {
      const message = `IP(${address}) is blocked by net.BlockList`;
      socket.destroy(codedError(Error, "ERR_IP_BLOCKED", message));
      return;
    }
    socket.emit("connectionAttempt", address, port, family);
    let details: string | undefined;
    const failed = (status: number): void => {
      if (AT_ONCE.has(-status)) {
        const local = details ?? unboundName(family);
        this.fail(socket, connectException(status, address, port, local));
        return;
      }
      const error = connectException(status, address, port, details);
      if (details !== undefined) {
        const colon = details.lastIndexOf(":");
        error.localAddress = details.slice(0, colon);
        error.localPort = Number(details.slice(colon + 1));
      }
      socket.emit("connectionAttemptFailed", address, port, family, error);
      this.fail(socket, error);
    };
    const started = this.start(socket, to, port, options, (status) => {
      if (socket.destroyed) return;
      socket._run(() => {
        if (status === 0) socket._connected();
        else failed(status);
      });
    });
    details = started.details;
    if (started.status < 0) failed(started.status);
  }

  private fail(socket: GuestSocket, error: SystemError): void {
    socket.connecting = false;
    socket.destroy(error);
  }

  private attemptSeveral(
    socket: GuestSocket,
    addresses: Address[],
    index: number,
    port: number,
    options: ConnectOptions,
    errors: Error[],
  ): void {
    if (!socket.connecting || socket.destroyed) return;
    const to = addresses[index];
    if (to === undefined) {
      socket.connecting = false;
      socket.destroy(aggregate(errors));
      return;
    }
    const { address, family } = to;
    const next = (): void =>
      this.attemptSeveral(socket, addresses, index + 1, port, options, errors);
    // The descriptor of the attempt before is given up.
    const before = socket._stream;
    if (before !== undefined) {
      socket._stream = undefined;
      before.close(false, () => {});
    }
    socket.autoSelectFamilyAttemptedAddresses!.push(`${address}:${port}`);
    if (blocks(options, to)) {
      errors.push(
        codedError(Error, "ERR_IP_BLOCKED", `IP(${address}) is blocked by net.BlockList`),
      );
      next();
      return;
    }
    socket.emit("connectionAttempt", address, port, family);
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const failed = (status: number): void => {
      over = true;
      clearTimeout(timer);
      const local = AT_ONCE.has(-status) ? unboundName(family) : undefined;
      const error = connectException(status, address, port, local);
      errors.push(error);
      socket.emit("connectionAttemptFailed", address, port, family, error);
      next();
    };
    const { status } = this.start(socket, to, port, options, (result) => {
      if (over || socket.destroyed) return;
      socket._run(() => {
        if (result !== 0) {
          failed(result);
          return;
        }
        over = true;
        clearTimeout(timer);
        socket._connected();
      });
    });
    if (status < 0) {
      failed(status);
    } else if (index < addresses.length - 1) {
      const wait =
        options.autoSelectFamilyAttemptTimeout ??
        this.natives.net.getDefaultAutoSelectFamilyAttemptTimeout();
      timer = setTimeout(() => {
        if (over || socket.destroyed) return;
        over = true;
        socket.emit("connectionAttemptTimeout", address, port, family);
        const error = connectException(-110, address, port);
        errors.push(error);
        next();
      }, wait);
    }
  }
}

/**
 * Errors that connect(2) returns at once: Node's message then names the local address too, and
 * there is no "connectionAttemptFailed".
 */
const AT_ONCE = new Set<number>([ERRNO.ENETUNREACH, ERRNO.EACCES, ERRNO.EPERM, ERRNO.EINVAL]);

function unboundName(family: number): string {
  return family === 6 ? ":::0" : "0.0.0.0:0";
}

/** AggregateError as Node makes it when every address failed. */
function aggregate(errors: Error[]): Error {
  const first = errors[0] as SystemError;
  if (errors.length === 1) return first;
  const error = new AggregateError(errors) as AggregateError & { code: string };
  error.code = first.code;
  return error;
}

/** Adds `connect` to the sockets' prototype. */
export function installConnect(natives: Natives, lookup: LookupFunction): void {
  const connector = new Connector(natives, lookup);
  Object.defineProperty(GuestSocket.prototype, "connect", {
    value: function connect(this: GuestSocket, ...args: unknown[]): GuestSocket {
      connector.connect(this, args);
      return this;
    },
    writable: true,
    configurable: true,
  });
}
