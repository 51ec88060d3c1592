import type { Logger } from "pino";
import { type Clock, pause } from "../clock.ts";
import { type ApiServer, isStatus, type KubeObject, pathOf, RESOURCES } from "./api.ts";

/**
 * Leader election by a Lease.
 *
 * Never do two work at once: the holder counts its time from before it *asked* for the last renewal
 * that succeeded, and stops `leaseMs - renewDeadlineMs` before the end. Another counts from when it
 * *saw* the record for the first time, which is later, and takes the Lease only after all of
 * `leaseMs` has passed without the record changing. Clocks need not agree, only run at about the
 * same speed. Both writes name the version that was read, so one of two takers loses.
 */

export interface LeaseRecord {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

interface Lease extends KubeObject {
  spec?: LeaseRecord;
}

export interface ElectionTimes {
  leaseMs: number;
  renewDeadlineMs: number;
  retryMs: number;
}

/** The times that Kubernetes' own controllers use. */
const ELECTION_TIMES: ElectionTimes = {
  leaseMs: 15_000,
  renewDeadlineMs: 10_000,
  retryMs: 2_000,
};

interface ElectionOptions {
  api: ApiServer;
  clock: Clock;
  log: Logger;
  namespace: string;
  name: string;
  identity: string;
  times?: ElectionTimes;
  /** Begins to work; `lost` aborts when the work must stop at once. */
  lead: (lost: AbortSignal) => Promise<void>;
}

export class LeaderElection {
  private readonly options: ElectionOptions;
  private readonly times: ElectionTimes;
  /** The record as last read, and when it was first seen so. */
  private seen: { version: string; at: number } | undefined;
  private until = 0;
  private term: { lost: AbortController; ended: Promise<void>; cancel: () => void } | undefined;

  constructor(options: ElectionOptions) {
    this.options = options;
    this.times = options.times ?? ELECTION_TIMES;
  }

  /** Whether this replica may work now; by the clock, so it is right even when timers are late. */
  get isLeader(): boolean {
    const { term } = this;
    return term !== undefined && !term.lost.signal.aborted && this.options.clock.now() < this.until;
  }

  /** Tries until `signal` aborts; then ends the work, and only then gives the Lease back. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.options;
    while (!signal.aborted) {
      try {
        await this.attempt();
      } catch (error) {
        log.warn({ err: error }, "the Lease could not be had or renewed, trying again");
      }
      await pause(clock, this.times.retryMs, signal);
    }
    const held = this.isLeader;
    await this.endTerm();
    if (held)
      await this.release().catch((err) => log.warn({ err }, "the Lease stays until it ends"));
  }

  private async attempt(): Promise<void> {
    const { api, clock, namespace, name, identity } = this.options;
    const path = pathOf(RESOURCES.leases, namespace, name);
    let lease: Lease | undefined;
    try {
      lease = await api.get<Lease>(path);
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
    const now = clock.now();
    const version = lease?.metadata.resourceVersion ?? "";
    if (lease && this.seen?.version !== version) this.seen = { version, at: now };
    const holder = lease?.spec?.holderIdentity ?? "";
    if (lease && holder !== "" && holder !== identity) {
      await this.endTerm();
      // What the holder wrote counts, not what this replica would write.
      const lasts = (lease.spec?.leaseDurationSeconds ?? this.times.leaseMs / 1000) * 1000;
      if (now < this.seen!.at + lasts) return;
    }
    // A term that has run out is over, whatever the record says.
    if (this.term && !this.isLeader) await this.endTerm();

    const asked = clock.now();
    const spec = this.record(lease?.spec, asked);
    const written = lease
      ? await api.update<Lease>(path, { ...lease, spec })
      : await api.create<Lease>(pathOf(RESOURCES.leases, namespace), {
          apiVersion: RESOURCES.leases.apiVersion,
          kind: RESOURCES.leases.kind,
          metadata: { name, namespace },
          spec,
        });
    this.seen = { version: written.metadata.resourceVersion ?? "", at: clock.now() };
    await this.extend(asked + this.times.renewDeadlineMs);
  }

  private record(old: LeaseRecord | undefined, now: number): LeaseRecord {
    const { identity } = this.options;
    const time = `${new Date(now).toISOString().slice(0, -1)}000Z`;
    const same = old?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: this.times.leaseMs / 1000,
      acquireTime: same && old?.acquireTime ? old.acquireTime : time,
      renewTime: time,
      leaseTransitions: old ? (old.leaseTransitions ?? 0) + (same ? 0 : 1) : 0,
    };
  }

  private async extend(until: number): Promise<void> {
    const { clock, log, lead } = this.options;
    // The term ran out while the renewal was under way: its work has been told to end.
    if (this.term?.lost.signal.aborted) await this.endTerm();
    // The answer came so late that the time is already over.
    if (clock.now() >= until) return;
    this.until = until;
    if (this.term) {
      this.term.cancel();
      this.term.cancel = clock.after(until - clock.now(), () => this.lose());
      return;
    }
    log.info("this replica leads now");
    const lost = new AbortController();
    const ended = lead(lost.signal).catch((err) => log.error({ err }, "leading failed"));
    this.term = {
      lost,
      ended,
      cancel: clock.after(until - clock.now(), () => this.lose()),
    };
  }

  private lose(): void {
    this.options.log.warn("the Lease was not renewed in time, this replica stops to lead");
    this.term?.lost.abort();
  }

  private async endTerm(): Promise<void> {
    const term = this.term;
    if (!term) return;
    term.cancel();
    term.lost.abort();
    await term.ended;
    this.term = undefined;
    this.until = 0;
  }

  private async release(): Promise<void> {
    const { api, namespace, name, identity } = this.options;
    const path = pathOf(RESOURCES.leases, namespace, name);
    const lease = await api.get<Lease>(path);
    if (lease.spec?.holderIdentity !== identity) return;
    await api.update(path, { ...lease, spec: { ...lease.spec, holderIdentity: "" } });
  }
}
