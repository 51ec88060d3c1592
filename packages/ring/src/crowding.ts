/**
 * Whether the processors are crowded: a process that polls then only takes time from whoever it
 * waits for. Told by involuntary context switches (getrusage(2), ru_nivcsw): a process loses its
 * processor while it still has work only when somebody else wants it. Time comes in.
 */
export interface CrowdingOptions {
  /** Monotonic clock, microseconds. */
  now(): number;
  /** Involuntary context switches of this process so far. */
  involuntarySwitches(): number;
}

/** How often to look, and switches within that time that mean a crowd. */
const PERIOD = 5000;
const SWITCHES = 2;

export class Crowding {
  private readonly options: CrowdingOptions;
  private since: number;
  private switches: number;
  private crowded = false;

  constructor(options: CrowdingOptions) {
    this.options = options;
    this.since = options.now();
    this.switches = options.involuntarySwitches();
  }

  /** As of the last look, at most a period ago while it is asked. */
  look(): boolean {
    const now = this.options.now();
    if (now - this.since < PERIOD) return this.crowded;
    const switches = this.options.involuntarySwitches();
    // After a long pause the count says nothing about now.
    const recent = now - this.since < PERIOD * 4;
    this.crowded = recent && switches - this.switches >= SWITCHES;
    this.since = now;
    this.switches = switches;
    return this.crowded;
  }
}
