/**
 * Whether the processors are crowded: a process that polls then only takes time from whoever it
 * waits for. Told by two things, both looked at once a period at most, and only while asked:
 *
 * - contention: more tasks want to run than there are processors, so none is idle;
 * - involuntary context switches (getrusage(2), ru_nivcsw): a process loses its processor while it
 *   still has work only when somebody else wants it. This also sees a crowd on the few processors
 *   that the process may use, where the machine has more.
 *
 * With fewer than two processors there is never an idle one. Time comes in.
 */
export interface CrowdingOptions {
  /** Monotonic clock, microseconds. */
  now(): number;
  /** Involuntary context switches of this process so far. */
  involuntarySwitches(): number;
  /** Processors that this process may use, by affinity and quota; many unless told. */
  processors?: number;
  /**
   * Whether more tasks want to run now than there are processors; undefined when it cannot be
   * told. Costs a few microseconds at most and does not throw.
   */
  contended?(): boolean | undefined;
}

/** How often to look, and switches within that time that mean a crowd. */
const PERIOD = 5000;
const SWITCHES = 2;
/** One look sees one moment: so many in a row that found contention mean a crowd. */
const BUSY_LOOKS = 3;

export class Crowding {
  private readonly options: CrowdingOptions;
  private readonly alone: boolean;
  private since: number;
  private switches: number;
  private busyLooks = 0;
  private crowded = false;

  constructor(options: CrowdingOptions) {
    this.options = options;
    this.alone = options.processors !== undefined && options.processors < 2;
    this.since = options.now();
    this.switches = options.involuntarySwitches();
  }

  /** As of the last look, at most a period ago while it is asked. */
  look(now = this.options.now()): boolean {
    if (this.alone) return true;
    if (now - this.since < PERIOD) return this.crowded;
    const switches = this.options.involuntarySwitches();
    // After a long pause the counts say nothing about now.
    const recent = now - this.since < PERIOD * 4;
    if (this.options.contended?.() !== true) this.busyLooks = 0;
    else if (this.busyLooks < BUSY_LOOKS) this.busyLooks++;
    this.crowded = (recent && switches - this.switches >= SWITCHES) || this.busyLooks >= BUSY_LOOKS;
    this.since = now;
    this.switches = switches;
    return this.crowded;
  }
}
