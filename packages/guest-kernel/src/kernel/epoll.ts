/** epoll(7): level- and edge-triggered, over every kind of file. One-shot items are refused. */
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, ERRNO } from "@outsock/abi";
import { OpenFile, type Watcher } from "./open-file.ts";

const KNOWN = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLET;

export interface EpollEvent {
  /** EPOLL bits. */
  events: number;
  /** What EPOLL_CTL_ADD was given; the descriptor by default. */
  data: unknown;
}

class Item implements Watcher {
  readonly file: OpenFile;
  readonly epoll: Epoll;
  readonly fd: number;
  events: number;
  data: unknown;
  queued = false;

  constructor(epoll: Epoll, fd: number, file: OpenFile, events: number, data: unknown) {
    this.epoll = epoll;
    this.fd = fd;
    this.file = file;
    this.events = events;
    this.data = data;
  }

  get mask(): number {
    return this.events | EPOLLERR | EPOLLHUP;
  }

  changed(): void {
    if (!this.queued && (this.file.poll() & this.mask) !== 0) this.epoll.enqueue(this);
  }

  gone(): void {
    this.epoll.forget(this);
  }
}

export class Epoll extends OpenFile {
  readonly kind = "epoll";
  private readonly items = new Map<number, Item>();
  private ready: Item[] = [];
  private parked: (() => void) | undefined;
  private readonly wake: (thread: () => void) => void;

  /** @param wake makes a thread runnable */
  constructor(wake: (thread: () => void) => void) {
    super();
    this.wake = wake;
  }

  /** @returns 0 or a negative errno */
  add(fd: number, file: OpenFile, events: number, data: unknown): number {
    const old = this.items.get(fd);
    if (old?.file === file) return -ERRNO.EEXIST;
    if (file === this || (events & ~KNOWN) !== 0) return -ERRNO.EINVAL;
    // A plain file is always ready (epoll_ctl(2), EPERM).
    if (file.kind === "file") return -ERRNO.EPERM;
    // The number belonged to a file that lives on under another one.
    if (old !== undefined) this.forget(old);
    const item = new Item(this, fd, file, events, data);
    this.items.set(fd, item);
    file.watch(item);
    item.changed();
    return 0;
  }

  modify(fd: number, events: number, data: unknown): number {
    const item = this.items.get(fd);
    if (item === undefined) return -ERRNO.ENOENT;
    if ((events & ~KNOWN) !== 0) return -ERRNO.EINVAL;
    item.events = events;
    item.data = data;
    item.changed();
    return 0;
  }

  remove(fd: number): number {
    const item = this.items.get(fd);
    if (item === undefined) return -ERRNO.ENOENT;
    this.forget(item);
    return 0;
  }

  /** Takes an item out, also where it is queued already. */
  forget(item: Item): void {
    if (this.items.get(item.fd) === item) this.items.delete(item.fd);
    item.file.unwatch(item);
    item.queued = false;
  }

  enqueue(item: Item): void {
    // Taken out while its file told the others.
    if (this.items.get(item.fd) !== item) return;
    item.queued = true;
    this.ready.push(item);
    const { parked } = this;
    if (parked !== undefined) {
      this.parked = undefined;
      this.wake(parked);
    }
    this.changed();
  }

  /**
   * Takes at most `max` ready events. Level-triggered items stay while they are ready, behind
   * those that were not taken yet: nobody starves.
   */
  take(max: number): EpollEvent[] {
    const events: EpollEvent[] = [];
    const again: Item[] = [];
    const scan = this.ready;
    this.ready = [];
    let at = 0;
    for (; at < scan.length && events.length < max; at++) {
      const item = scan[at]!;
      if (!item.queued) continue;
      const mask = item.file.poll() & item.mask;
      item.queued = false;
      if (mask === 0) continue;
      events.push({ events: mask, data: item.data });
      if ((item.events & EPOLLET) === 0) {
        item.queued = true;
        again.push(item);
      }
    }
    if (at < scan.length || again.length > 0) {
      this.ready = [...scan.slice(at), ...again, ...this.ready];
    }
    return events;
  }

  /** Parks a thread until something is ready. One thread waits at a time. */
  park(thread: () => void): void {
    this.parked = thread;
    if (this.poll() !== 0) {
      this.parked = undefined;
      this.wake(thread);
    }
  }

  unpark(): void {
    this.parked = undefined;
  }

  poll(): number {
    return this.ready.some((item) => item.queued && (item.file.poll() & item.mask) !== 0)
      ? EPOLLIN
      : 0;
  }

  release(): void {
    for (const item of this.items.values()) item.file.unwatch(item);
    this.items.clear();
    this.ready = [];
    this.parked = undefined;
  }
}
