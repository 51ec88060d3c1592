/**
 * The event loop of a guest program's network handles: one epoll descriptor, and what to call for
 * each descriptor in it. It is to the guest kernel what libuv is to Linux.
 *
 * Between two handlers the program's ticks and microtasks run, as between two callbacks of libuv;
 * a handler that throws does not keep the others from running.
 */
import { AsyncResource } from "node:async_hooks";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "@outsock/abi";
import type { EpollEvent } from "../kernel/epoll.ts";
import type { Syscalls } from "../kernel/syscalls.ts";

export interface FdHandler {
  /** EPOLL bits; edge-triggered: read or write until EAGAIN. */
  onEvents(events: number): void;
}

export interface LoopHost {
  /** Runs process.nextTick and promise callbacks that are due. */
  tick(): void;
  defer(turn: () => void): void;
  /** Keeps the program alive while there is one hold more than releases. */
  hold(): void;
  release(): void;
}

const BATCH = 256;

export class EventLoop {
  readonly sys: Syscalls;
  readonly host: LoopHost;
  private readonly epfd: number;
  private readonly pending: (() => void)[] = [];
  private depth = 0;

  constructor(sys: Syscalls, host: LoopHost) {
    this.sys = sys;
    this.host = host;
    this.epfd = sys.epoll_create1();
    this.wait();
  }

  /** Watches a descriptor, edge-triggered. */
  add(fd: number, handler: FdHandler): void {
    this.sys.epoll_ctl(
      this.epfd,
      EPOLL_CTL_ADD,
      fd,
      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
      handler,
    );
  }

  remove(fd: number): void {
    this.sys.epoll_ctl(this.epfd, EPOLL_CTL_DEL, fd, 0);
  }

  private wait(): void {
    const ready = this.sys.epoll_wait(this.epfd, BATCH, -1, this.resume);
    if (typeof ready !== "number" && ready.length > 0) {
      this.later(() => this.dispatch(ready, 0));
    }
  }

  private readonly resume = (events: EpollEvent[]): void =>
    this.enter(() => this.dispatch(events, 0));

  /**
   * Runs `callback` after the handlers of this turn and what they queued as ticks and microtasks,
   * before the immediates that they set: libuv's pending queue. Keeps the caller's context. What is
   * posted between turns runs before the next turn's handlers.
   */
  post(callback: () => void): void {
    this.pending.push(AsyncResource.bind(callback));
    if (this.depth > 0 || this.pending.length > 1) return;
    setImmediate(() => {
      if (this.pending.length > 0) this.enter(() => {});
    });
  }

  /** Runs `work` as a handler in a later turn. */
  later(work: () => void): void {
    this.host.defer(() => this.enter(work));
  }

  private enter(work: () => void): void {
    this.depth++;
    let begun = false;
    try {
      if (this.depth === 1) this.runPending();
      begun = true;
      work();
      // Ticks may post.
      if (this.depth === 1) this.host.tick();
      this.runPending();
    } finally {
      this.depth--;
      if (!begun) this.later(work);
      else if (this.pending.length > 0) this.later(() => {});
    }
  }

  /** What is posted may queue ticks, and each callback may throw. */
  private runPending(): void {
    for (let callback = this.pending.shift(); callback; callback = this.pending.shift()) {
      callback();
      this.host.tick();
    }
  }

  private dispatch(events: EpollEvent[], from: number): void {
    let next = from;
    try {
      while (next < events.length) {
        const event = events[next]!;
        next++;
        (event.data as FdHandler).onEvents(event.events);
        if (next < events.length) this.host.tick();
      }
    } finally {
      if (next < events.length) this.later(() => this.dispatch(events, next));
      else this.wait();
    }
  }
}
