/**
 * How long to poll before sleeping: the halt-polling rule of KVM
 * (Documentation/virt/kvm/halt-polling.rst). Pure: time comes in.
 *
 * The window starts at 0. When a sleep ended within `maximum` of its start, polling would have
 * paid: the window grows to `start`, then doubles. When a wait lasted longer than `maximum`, or
 * nothing came of what was expected, polling was in vain: the window shrinks to half, and to 0
 * below `start`.
 */
export interface HaltPollOptions {
  /** First window and the least that is kept, microseconds. */
  start: number;
  /** Longest window, microseconds. */
  maximum: number;
}

export class HaltPoll {
  private readonly options: HaltPollOptions;
  /** Microseconds to poll before the next sleep. */
  window = 0;

  constructor(options: HaltPollOptions) {
    this.options = options;
  }

  /** Tells how long the last wait took (polling and sleeping), in microseconds. */
  waited(duration: number): void {
    const { start, maximum } = this.options;
    if (duration <= this.window) return;
    if (duration < maximum) {
      this.window = Math.min(maximum, this.window === 0 ? start : this.window * 2);
    } else {
      this.missed();
    }
  }

  /** Tells that a wait ended with nothing. */
  missed(): void {
    this.window = this.window / 2 < this.options.start ? 0 : this.window / 2;
  }
}
