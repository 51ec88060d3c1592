/** What `ps`, `dmesg` and the node's status read of a session, in whichever thread it is. */
export interface SessionView {
  readonly socketCount: number;
  /** TCP connections. */
  readonly connectionCount: number;
  /** Bytes relayed. */
  readonly bytes: number;
  /** Connections made so far, by the name of their path. */
  readonly pathCounts: Record<string, number>;
  /** What the guest counts; its word. */
  readonly guestCounters: Record<string, number>;
  /** Text of the guest's kernel log. */
  kernelLog(): string;
}
