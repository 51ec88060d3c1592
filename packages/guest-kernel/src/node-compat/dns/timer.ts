/** A timer of the guest kernel (timerfd_create(2)) on the event loop. */
import { EPOLLIN } from "@outsock/abi";
import type { EventLoop, FdHandler } from "../event-loop.ts";

export class Timer implements FdHandler {
  private readonly loop: EventLoop;
  private readonly expired: () => void;
  private fd: number;

  constructor(loop: EventLoop, expired: () => void) {
    this.loop = loop;
    this.expired = expired;
    this.fd = loop.sys.timerfd_create();
    if (this.fd >= 0) loop.add(this.fd, this);
  }

  /** @returns false when the process has no descriptor left for it */
  arm(milliseconds: number): boolean {
    if (this.fd < 0) return false;
    return this.loop.sys.timerfd_settime(this.fd, Math.max(1, milliseconds), 0) === 0;
  }

  onEvents(events: number): void {
    if ((events & EPOLLIN) === 0 || this.fd < 0) return;
    if (this.loop.sys.read(this.fd, new Uint8Array(8)) === 8) this.expired();
  }

  close(): void {
    if (this.fd < 0) return;
    this.loop.remove(this.fd);
    this.loop.sys.close(this.fd);
    this.fd = -1;
  }
}
