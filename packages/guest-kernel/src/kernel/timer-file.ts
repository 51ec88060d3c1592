/** timerfd_create(2): a timer that is read and polled like a file. */
import { EPOLLIN, ERRNO } from "@outsock/abi";
import { OpenFile } from "./open-file.ts";

export interface TimerSource {
  /** Calls `fire` after `delay` milliseconds. @returns cancels it */
  start(delay: number, fire: () => void): () => void;
}

export class TimerFile extends OpenFile {
  readonly kind = "timer";
  private readonly source: TimerSource;
  private expirations = 0;
  private cancel: (() => void) | undefined;

  constructor(source: TimerSource) {
    super();
    this.source = source;
  }

  /** Arms with milliseconds; `first` 0 disarms; `interval` 0 = once. */
  set(first: number, interval: number): void {
    this.cancel?.();
    this.cancel = undefined;
    this.expirations = 0;
    if (first > 0) this.arm(first, interval);
  }

  private arm(delay: number, interval: number): void {
    this.cancel = this.source.start(delay, () => {
      this.cancel = undefined;
      this.expirations++;
      if (interval > 0) this.arm(interval, interval);
      this.changed();
    });
  }

  poll(): number {
    return this.expirations > 0 ? EPOLLIN : 0;
  }

  /** Reads the number of expirations as 8 bytes, little-endian. */
  override read(target: Uint8Array): number {
    if (target.length < 8) return -ERRNO.EINVAL;
    if (this.expirations === 0) return -ERRNO.EAGAIN;
    new DataView(target.buffer, target.byteOffset).setBigUint64(0, BigInt(this.expirations), true);
    this.expirations = 0;
    return 8;
  }

  override available(): number {
    return this.expirations > 0 ? 8 : 0;
  }

  release(): void {
    this.cancel?.();
  }
}
