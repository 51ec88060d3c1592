/** A guest: a name, a network, published ports, and the sessions of its processes. */
import { randomBytes } from "node:crypto";
import type { GuestStatus, PublishRequest } from "@outsock/vrpc";
import type { Listener } from "./listener.ts";
import type { NetworkPlan } from "./network-plan.ts";
import { PublishedPort } from "./published-port.ts";
import type { SessionView } from "./session-view.ts";
import type { GuestCopy } from "./workers/messages.ts";

export interface GuestProcess {
  process: number;
  pid: number;
  program: string;
  container: string | undefined;
  session: SessionView;
}

/** The pod that a guest is, by the kubelet's word. */
export interface PodIdentity {
  uid: string;
  name: string;
  namespace: string;
  serviceAccount: string;
}

export interface GuestOptions {
  /** No two guests of an agent have the same. */
  key: string;
  name: string;
  pod?: PodIdentity;
  plan: NetworkPlan;
  resolver: { nameservers: string[]; search: string[] };
  publish: readonly PublishRequest[];
  /** Told, in a sentence, of a published port that stops to lead to the guest. */
  trouble(sentence: string): void;
  token: string | undefined;
  /** The guest is gone: gives back what its network took. */
  release(): void;
}

export class Guest {
  readonly key: string;
  readonly name: string;
  readonly pod: PodIdentity | undefined;
  readonly token: string;
  readonly plan: NetworkPlan;
  readonly resolver: { nameservers: string[]; search: string[] };
  readonly processes = new Map<number, GuestProcess>();
  private readonly giveBack: () => void;
  private readonly ports: PublishedPort[] = [];
  private nextProcess = 1;
  /** Sessions whose last bytes the kernel has not taken yet. */
  draining = 0;

  /** @throws SysError when a port cannot be published */
  constructor(options: GuestOptions) {
    this.key = options.key;
    this.name = options.name;
    this.pod = options.pod;
    this.token = options.token ?? randomBytes(16).toString("hex");
    this.plan = options.plan;
    this.resolver = options.resolver;
    this.giveBack = options.release;
    try {
      for (const request of options.publish) {
        this.ports.push(new PublishedPort(request, options.trouble));
      }
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

  /** For the thread of its worker, which has the published ports from then on. */
  copy(): GuestCopy {
    const { key, plan } = this;
    const ports = this.ports.map((port) => ({ request: port.request, fd: port.surrender() }));
    return { key, pod: this.pod !== undefined, plan: plan.describe(), ports };
  }

  release(): void {
    for (const port of this.ports) port.close();
    this.giveBack();
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
