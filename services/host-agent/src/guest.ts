/** A guest: a name, an address, published ports, and the sessions of its processes. */
import { randomBytes } from "node:crypto";
import type { GuestStatus, PublishRequest } from "@outsock/vrpc";
import { AddressPlan } from "./address-plan.ts";
import type { Claim } from "./address-pool.ts";
import type { HostResolver } from "./host-resolver.ts";
import type { Listener } from "./listener.ts";
import { PublishedPort } from "./published-port.ts";
import type { Session } from "./session.ts";

export interface GuestProcess {
  process: number;
  pid: number;
  program: string;
  session: Session;
}

export class Guest {
  readonly name: string;
  readonly token: string;
  readonly plan: AddressPlan;
  readonly processes = new Map<number, GuestProcess>();
  private readonly claim: Claim;
  private readonly ports: PublishedPort[] = [];
  private nextProcess = 1;
  /** Sessions whose last bytes the kernel has not taken yet. */
  draining = 0;

  /**
   * @param trouble told, in a sentence, of a published port that stops to lead to the guest
   * @throws SysError when a port cannot be published
   */
  constructor(
    name: string,
    claim: Claim,
    resolver: HostResolver,
    publish: readonly PublishRequest[],
    trouble: (sentence: string) => void,
    token?: string,
  ) {
    this.name = name;
    this.token = token ?? randomBytes(16).toString("hex");
    this.claim = claim;
    this.plan = new AddressPlan(claim.address, resolver.loopbackNameserver);
    try {
      for (const request of publish) this.ports.push(new PublishedPort(request, trouble));
    } catch (error) {
      this.release();
      throw error;
    }
  }

  takeProcessNumber(): number {
    return this.nextProcess++;
  }

  onListen(listener: Listener): void {
    for (const port of this.ports) port.offer(listener);
  }

  release(): void {
    for (const port of this.ports) port.close();
    this.claim.release();
  }

  status(): GuestStatus {
    return {
      name: this.name,
      address: this.plan.address,
      processes: [...this.processes.values()].map(({ process, pid, program, session }) => ({
        process,
        pid,
        program,
        sockets: session.socketCount,
        bytes: session.bytes,
        paths: session.pathCounts,
        counters: session.guestCounters,
      })),
      published: this.ports.map((port) => port.request),
    };
  }
}
