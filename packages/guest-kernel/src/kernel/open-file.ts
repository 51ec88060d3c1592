/**
 * An open file description (open(2), NOTES): what a descriptor refers to. Every kind of file can
 * be polled and watched, so epoll works over all of them.
 */
import { ERRNO } from "@outsock/abi";

/** Told when the readiness of a file may have changed. */
export interface Watcher {
  changed(): void;
  /** The file is gone: its last descriptor was closed. */
  gone?(): void;
}

export abstract class OpenFile {
  abstract readonly kind: "socket" | "pipe" | "epoll" | "timer" | "file";
  private watchers: Watcher[] = [];
  /** Descriptors that refer to it. */
  references = 0;

  /** Readiness now: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP. */
  abstract poll(): number;

  /** Gives up what the file holds. */
  abstract release(): void;

  /** @returns bytes read, 0 at the end, or a negative errno */
  read(_target: Uint8Array): number {
    return -ERRNO.EINVAL;
  }

  /** @returns bytes written or a negative errno */
  write(_source: Uint8Array): number {
    return -ERRNO.EINVAL;
  }

  /** @returns bytes written of all chunks together, or a negative errno when none was */
  writev(chunks: readonly Uint8Array[]): number {
    let total = 0;
    for (const chunk of chunks) {
      const n = this.write(chunk);
      if (n < 0) return total > 0 ? total : n;
      total += n;
      if (n < chunk.length) break;
    }
    return total;
  }

  /** Bytes that a read would give now (FIONREAD). */
  available(): number {
    return 0;
  }

  watch(watcher: Watcher): void {
    this.watchers = [...this.watchers, watcher];
  }

  unwatch(watcher: Watcher): void {
    this.watchers = this.watchers.filter((w) => w !== watcher);
  }

  /** The last descriptor was closed. */
  end(): void {
    const { watchers } = this;
    this.watchers = [];
    this.release();
    for (const watcher of watchers) watcher.gone?.();
  }

  protected changed(): void {
    for (const watcher of this.watchers) watcher.changed();
  }
}
