/**
 * A program of the guest as the compliance suites write one: system calls, and promises for what
 * would block. Every descriptor that it opened is closed by `exit()`.
 */
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  EPOLLOUT,
  ERRNO,
  errnoName,
  SO_ERROR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "@outsock/abi";
import type { Kernel, PollEntry, SocketAddress, Syscalls } from "@outsock/guest-kernel";

/** What a suite runs on: a booted kernel with the family under test, and a process of it. */
export interface ComplianceBed {
  kernel: Kernel;
  sys: Syscalls;
  close(): void | Promise<void>;
}

export const LOOPBACK: SocketAddress = { family: AF_INET, address: "127.0.0.1", port: 0 };
export const LOOPBACK6: SocketAddress = { family: AF_INET6, address: "::1", port: 0 };
export const ANY: SocketAddress = { family: AF_INET, address: "0.0.0.0", port: 0 };
export const ANY6: SocketAddress = { family: AF_INET6, address: "::", port: 0 };
export const mapped = (port: number): SocketAddress => ({
  family: AF_INET6,
  address: "::ffff:127.0.0.1",
  port,
});

/** How long a call may block before the test fails, milliseconds. */
const PATIENCE = 15_000;

/** A result of a call that must not fail. @throws Error with the errno's name */
export function ok(result: number): number {
  if (result < 0) throw new Error(`a system call failed: ${errnoName(-result)}`);
  return result;
}

/** A result as its errno's name, or the number. */
export function named(result: number | object): string | number | object {
  return typeof result === "number" && result < 0 ? errnoName(-result) : result;
}

function at(address: SocketAddress | number): SocketAddress {
  if (typeof address === "number") throw new Error(`no address: ${errnoName(-address)}`);
  return address;
}

export interface Pair {
  client: number;
  server: number;
}

export class Program {
  readonly kernel: Kernel;
  readonly sys: Syscalls;
  private readonly open = new Set<number>();

  constructor({ kernel, sys }: ComplianceBed) {
    this.kernel = kernel;
    this.sys = sys;
  }

  /** Has `fd` closed at the end. */
  own(fd: number): number {
    this.open.add(ok(fd));
    return fd;
  }

  close(fd: number): number {
    this.open.delete(fd);
    return this.sys.close(fd);
  }

  /** Closes with a reset. */
  reset(fd: number): void {
    ok(this.sys.setLingerReset(fd));
    ok(this.close(fd));
  }

  exit(): void {
    for (const fd of this.open) this.sys.close(fd);
    this.open.clear();
  }

  stream(domain = AF_INET): number {
    return this.own(this.sys.socket(domain, SOCK_STREAM, 0));
  }

  /** A bound datagram socket. */
  datagram(address: SocketAddress = LOOPBACK): number {
    const fd = this.own(this.sys.socket(address.family, SOCK_DGRAM, 0));
    ok(this.sys.bind(fd, address));
    return fd;
  }

  name(fd: number): SocketAddress {
    return at(this.sys.getsockname(fd));
  }

  port(fd: number): number {
    return this.name(fd).port;
  }

  listener(address: SocketAddress = LOOPBACK, backlog = 511): number {
    const fd = this.stream(address.family);
    ok(this.sys.bind(fd, address));
    ok(this.sys.listen(fd, backlog));
    return fd;
  }

  /** poll(2) of one descriptor, blocking. @returns revents, 0 after the time */
  poll(fd: number, events: number, timeout: number): Promise<number> {
    const entries: PollEntry[] = [{ fd, events, revents: 0 }];
    return new Promise((resolve) => {
      const done = (): void => resolve(entries[0]!.revents);
      if (this.sys.poll(entries, timeout, done) > 0) done();
    });
  }

  /** Blocks until one of `events` is there, or an error or hang-up. @returns revents */
  async until(fd: number, events: number): Promise<number> {
    const revents = await this.poll(fd, events, PATIENCE);
    if (revents === 0) throw new Error(`descriptor ${fd} was not ready for ${events} in time`);
    return revents;
  }

  /** Blocks until `call` does not answer EAGAIN. */
  private async retrying<T>(fd: number, events: number, call: () => T | number): Promise<T> {
    for (;;) {
      const result = call();
      if (result !== -ERRNO.EAGAIN) return result as T;
      await this.until(fd, events);
    }
  }

  /** @returns 0 or the negative errno that the attempt ended with */
  async connect(fd: number, address: SocketAddress): Promise<number> {
    const result = this.sys.connect(fd, address);
    if (result !== -ERRNO.EINPROGRESS) return result;
    await this.until(fd, EPOLLOUT);
    return 0 - this.sys.getsockopt(fd, SOL_SOCKET, SO_ERROR).value;
  }

  async accept(listener: number): Promise<number> {
    return this.own(
      await this.retrying<number>(listener, EPOLLIN, () => this.sys.accept4(listener)),
    );
  }

  /** Two ends of one connection. */
  async pair(address: SocketAddress = LOOPBACK): Promise<Pair> {
    const listener = this.listener(address);
    const client = this.stream(address.family);
    ok(await this.connect(client, this.name(listener)));
    const server = await this.accept(listener);
    this.close(listener);
    return { client, server };
  }

  /** One read, blocking. @returns text; "" at the end. @throws on an error */
  async read(fd: number, most = 65536): Promise<string> {
    const target = new Uint8Array(most);
    const n = ok(await this.retrying<number>(fd, EPOLLIN, () => this.sys.read(fd, target)));
    return Buffer.from(target.subarray(0, n)).toString("latin1");
  }

  /** One read, blocking. @returns its result */
  readResult(fd: number): Promise<number> {
    const target = new Uint8Array(16);
    return this.retrying<number>(fd, EPOLLIN, () => this.sys.read(fd, target));
  }

  /** Reads to the end of the stream, giving each piece. */
  async readToEnd(fd: number, use: (piece: Uint8Array) => void, most = 65536): Promise<number> {
    const target = new Uint8Array(most);
    for (let total = 0; ; ) {
      const n = ok(await this.retrying<number>(fd, EPOLLIN, () => this.sys.read(fd, target)));
      if (n === 0) return total;
      total += n;
      use(target.subarray(0, n));
    }
  }

  async readText(fd: number): Promise<string> {
    const pieces: Buffer[] = [];
    await this.readToEnd(fd, (piece) => pieces.push(Buffer.from(piece)));
    return Buffer.concat(pieces).toString("latin1");
  }

  /** Writes all of it, blocking. */
  async write(fd: number, data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.subarray(done);
      done += ok(await this.retrying<number>(fd, EPOLLOUT, () => this.sys.write(fd, rest)));
    }
  }

  /** Writes one byte after the other until a write fails. @returns the negative errno */
  async writeUntilError(fd: number): Promise<number> {
    for (;;) {
      const n = this.sys.write(fd, new Uint8Array(1));
      if (n < 0 && n !== -ERRNO.EAGAIN) return n;
      await this.turn();
    }
  }

  /** One datagram, blocking. */
  async receive(fd: number): Promise<{ text: string; from: SocketAddress } | number> {
    const datagram = await this.retrying(fd, EPOLLIN, () => this.sys.recvfrom(fd));
    if (typeof datagram === "number") return datagram;
    return { text: datagram.data.toString("latin1"), from: datagram.from };
  }

  /** Lines of a table of /proc/net that have `port` as their local one, cut into fields. */
  rows(path: string, port: number): string[][] {
    const text = this.sys.readText(path);
    if (typeof text === "number") throw new Error(`${path}: ${errnoName(-text)}`);
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
    return text
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(suffix));
  }

  /** One turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
