/**
 * The system calls of the guest kernel, with Linux semantics: a result of 0 or more, or a negative
 * errno. One instance for each process; node-compat reaches the network only through it.
 */
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  ERRNO,
} from "@outsock/abi";
import { type ReceivedDatagram, type SocketAddress, SocketFile } from "../net/protocol-family.ts";
import { Epoll, type EpollEvent } from "./epoll.ts";
import { KERNEL_RELEASE, type Kernel } from "./kernel.ts";
import type { OpenFile, Watcher } from "./open-file.ts";
import { makePipe } from "./pipe.ts";
import type { Process } from "./process.ts";
import { TimerFile } from "./timer-file.ts";

/** In `revents`: the descriptor is not open. */
const POLLNVAL = 0x20;

/** One entry of poll(2). */
export interface PollEntry {
  fd: number;
  /** EPOLLIN and the like; POLLIN has the same value. */
  events: number;
  revents: number;
}

export class Syscalls {
  private readonly kernel: Kernel;
  private readonly process: Process;

  constructor(kernel: Kernel, process: Process) {
    this.kernel = kernel;
    this.process = process;
  }

  private file(fd: number): OpenFile | undefined {
    return this.process.descriptors.get(fd);
  }

  private socketFile(fd: number): SocketFile | number {
    const file = this.file(fd);
    if (file === undefined) return -ERRNO.EBADF;
    return file instanceof SocketFile ? file : -ERRNO.ENOTSOCK;
  }

  private install(file: OpenFile): number {
    const fd = this.process.descriptors.install(file);
    if (fd < 0) file.release();
    return fd;
  }

  private installSocket(file: SocketFile): number {
    const fd = this.install(file);
    if (fd >= 0) this.kernel.sockets.add(file);
    return fd;
  }

  // Sockets

  socket(domain: number, type: number, protocol: number): number {
    const file = this.kernel.socket(domain, type, protocol);
    return typeof file === "number" ? file : this.installSocket(file);
  }

  bind(fd: number, address: SocketAddress): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.bind(address);
  }

  listen(fd: number, backlog: number): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.listen(backlog);
  }

  /** @returns a descriptor; -EAGAIN when no connection waits, -EMFILE leaves it waiting */
  accept4(fd: number): number {
    const socket = this.socketFile(fd);
    if (typeof socket === "number") return socket;
    if (this.process.descriptors.full) return -ERRNO.EMFILE;
    const accepted = socket.accept();
    return typeof accepted === "number" ? accepted : this.installSocket(accepted);
  }

  /** @returns 0, -EINPROGRESS (EPOLLOUT tells when), or an error */
  connect(fd: number, address: SocketAddress): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.connect(address);
  }

  disconnect(fd: number): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.disconnect();
  }

  getsockname(fd: number): SocketAddress | number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.getsockname();
  }

  getpeername(fd: number): SocketAddress | number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.getpeername();
  }

  shutdown(fd: number, how: number): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.shutdown(how);
  }

  setsockopt(fd: number, level: number, name: number, value: number): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.setsockopt(level, name, value);
  }

  getsockopt(fd: number, level: number, name: number): { result: number; value: number } {
    const socket = this.socketFile(fd);
    if (typeof socket === "number") return { result: socket, value: 0 };
    return socket.getsockopt(level, name);
  }

  /** SO_LINGER {1, 0}: closing sends a reset. */
  setLingerReset(fd: number): number {
    const socket = this.socketFile(fd);
    if (typeof socket === "number") return socket;
    socket.abortOnClose();
    return 0;
  }

  /** IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP. */
  membership(fd: number, join: boolean, group: string, via: string | undefined): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.membership(join, group, via);
  }

  sendto(fd: number, data: Uint8Array, to: SocketAddress | undefined): number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.sendto(data, to);
  }

  recvfrom(fd: number): ReceivedDatagram | number {
    const socket = this.socketFile(fd);
    return typeof socket === "number" ? socket : socket.recvfrom();
  }

  // Descriptors

  read(fd: number, target: Uint8Array): number {
    const file = this.file(fd);
    return file === undefined ? -ERRNO.EBADF : file.read(target);
  }

  write(fd: number, source: Uint8Array): number {
    const file = this.file(fd);
    return file === undefined ? -ERRNO.EBADF : file.write(source);
  }

  /** @returns bytes written of all chunks together, or an error when none was */
  writev(fd: number, chunks: readonly Uint8Array[]): number {
    const file = this.file(fd);
    return file === undefined ? -ERRNO.EBADF : file.writev(chunks);
  }

  /** FIONREAD. */
  available(fd: number): number {
    const file = this.file(fd);
    return file === undefined ? -ERRNO.EBADF : file.available();
  }

  close(fd: number): number {
    const file = this.file(fd);
    if (file === undefined) return -ERRNO.EBADF;
    if (file instanceof SocketFile && file.references === 1) this.kernel.sockets.delete(file);
    return this.process.descriptors.close(fd);
  }

  dup(fd: number): number {
    const file = this.file(fd);
    return file === undefined ? -ERRNO.EBADF : this.process.descriptors.install(file);
  }

  /** @returns [read end, write end] or a negative errno */
  pipe2(): [number, number] | number {
    const [readEnd, writeEnd] = makePipe();
    const r = this.install(readEnd);
    if (r < 0) return r;
    const w = this.install(writeEnd);
    if (w < 0) {
      this.close(r);
      return w;
    }
    return [r, w];
  }

  timerfd_create(): number {
    return this.install(new TimerFile(this.kernel.timers));
  }

  /** Milliseconds; `first` 0 disarms. */
  timerfd_settime(fd: number, first: number, interval: number): number {
    const file = this.file(fd);
    if (file === undefined) return -ERRNO.EBADF;
    if (!(file instanceof TimerFile) || first < 0 || interval < 0) return -ERRNO.EINVAL;
    file.set(first, interval);
    return 0;
  }

  /** Read-only open of the kernel's own files. */
  open(path: string): number {
    const file = this.kernel.files.open(path);
    return file === undefined ? -ERRNO.ENOENT : this.install(file);
  }

  // Events

  epoll_create1(): number {
    return this.install(new Epoll((thread) => this.kernel.scheduler.ready(thread)));
  }

  epoll_ctl(epfd: number, op: number, fd: number, events: number, data: unknown = fd): number {
    const epoll = this.file(epfd);
    const file = this.file(fd);
    if (epoll === undefined || file === undefined) return -ERRNO.EBADF;
    if (!(epoll instanceof Epoll)) return -ERRNO.EINVAL;
    if (op === EPOLL_CTL_ADD) return epoll.add(fd, file, events, data);
    if (op === EPOLL_CTL_MOD) return epoll.modify(fd, events, data);
    return op === EPOLL_CTL_DEL ? epoll.remove(fd) : -ERRNO.EINVAL;
  }

  /**
   * Gives what is ready. With nothing ready and a `resume`, the calling thread blocks: `resume`
   * runs when something is ready, or after `timeout` milliseconds (-1 = never).
   * @returns events (possibly none) or a negative errno
   */
  epoll_wait(
    epfd: number,
    max: number,
    timeout = 0,
    resume?: (events: EpollEvent[]) => void,
  ): EpollEvent[] | number {
    const epoll = this.file(epfd);
    if (epoll === undefined) return -ERRNO.EBADF;
    if (!(epoll instanceof Epoll) || max <= 0) return -ERRNO.EINVAL;
    const events = epoll.take(max);
    if (events.length > 0 || timeout === 0 || resume === undefined) return events;
    let cancel: (() => void) | undefined;
    let woken = false;
    const wake = (): void => {
      // The time may be over while the thread waits to run.
      if (woken) return;
      woken = true;
      cancel?.();
      resume(epoll.take(max));
    };
    epoll.park(wake);
    if (timeout > 0) {
      cancel = this.kernel.timers.start(timeout, () => {
        epoll.unpark();
        this.kernel.scheduler.ready(wake);
      });
    }
    return events;
  }

  /**
   * poll(2): fills `revents`. With nothing ready and a `resume`, the calling thread blocks.
   * @returns entries that are ready
   */
  poll(entries: PollEntry[], timeout = 0, resume?: (ready: number) => void): number {
    const scan = (): number => {
      let ready = 0;
      for (const entry of entries) {
        entry.revents = 0;
        // A negative descriptor is left out.
        if (entry.fd < 0) continue;
        const file = this.file(entry.fd);
        entry.revents =
          file === undefined ? POLLNVAL : file.poll() & (entry.events | EPOLLERR | EPOLLHUP);
        if (entry.revents !== 0) ready++;
      }
      return ready;
    };
    const ready = scan();
    if (ready > 0 || timeout === 0 || resume === undefined) return ready;
    const files = entries.filter(({ fd }) => fd >= 0).map(({ fd }) => this.file(fd)!);
    let cancel: (() => void) | undefined;
    let done = false;
    const finish = (): void => {
      if (done) return;
      done = true;
      cancel?.();
      for (const file of files) file.unwatch(watcher);
      this.kernel.scheduler.ready(() => resume(scan()));
    };
    const watcher: Watcher = {
      changed: () => {
        if (scan() > 0) finish();
      },
    };
    for (const file of files) file.watch(watcher);
    if (timeout > 0) cancel = this.kernel.timers.start(timeout, finish);
    return 0;
  }

  // The rest

  getpid(): number {
    return this.process.pid;
  }

  uname(): { sysname: string; nodename: string; release: string } {
    return { sysname: "Linux", nodename: this.kernel.hostname, release: KERNEL_RELEASE };
  }

  /** Addresses that the protocol family itself knows for a name (guests, the host). */
  resolve(name: string, done: (addresses: string[]) => void): number {
    const family = this.kernel.protocolFamily;
    if (family === undefined) return -ERRNO.EAFNOSUPPORT;
    family.resolve(name, (addresses) => this.kernel.scheduler.ready(() => done(addresses)));
    return 0;
  }

  /** Reads a whole file of the kernel's. @returns text or a negative errno */
  readText(path: string): string | number {
    const fd = this.open(path);
    if (fd < 0) return fd;
    const bytes = Buffer.alloc(this.available(fd));
    this.read(fd, bytes);
    this.close(fd);
    return bytes.toString("utf8");
  }

  /** True when a read of `fd` would give something now. */
  readable(fd: number): boolean {
    const file = this.file(fd);
    return file !== undefined && (file.poll() & EPOLLIN) !== 0;
  }
}
