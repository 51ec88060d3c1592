/** A session of a worker, as the main thread last heard of it. */
import type { SessionView } from "../session-view.ts";
import type { SessionReport } from "./messages.ts";

export class RemoteSession implements SessionView {
  private last: SessionReport | undefined;
  private log = "";

  update(report: SessionReport): void {
    this.last = report;
    this.log = report.log ?? this.log;
  }

  get socketCount(): number {
    return this.last?.socketCount ?? 0;
  }

  get connectionCount(): number {
    return this.last?.connectionCount ?? 0;
  }

  get bytes(): number {
    return this.last?.bytes ?? 0;
  }

  get pathCounts(): Record<string, number> {
    return this.last?.pathCounts ?? {};
  }

  get guestCounters(): Record<string, number> {
    return this.last?.guestCounters ?? {};
  }

  kernelLog(): string {
    return this.log;
  }
}
