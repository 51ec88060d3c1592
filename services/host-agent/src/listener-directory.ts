/**
 * Who listens where among the guests of this agent, so that a guest that connects there finds its
 * peer without waiting for the event loop. A hint: what is proven stands in shortcut/proof.ts.
 */
import type { Endpoint } from "@outsock/vrpc";
import type { Listener } from "./listener.ts";
import { isLoopback, isWildcard, type NetworkPlan } from "./network-plan.ts";

export interface ListeningAt {
  listener: Listener;
  /** The descriptor that listens, and what it is bound to. */
  fd: number;
  address: string;
}

/** Where pods are reached from other pods: by address, whatever their namespace. */
const EVERYWHERE = "*";

export class ListenerDirectory {
  private readonly listening = new Map<string, ListeningAt>();

  /** @returns takes it out again */
  add(plan: NetworkPlan, port: number, at: ListeningAt): () => void {
    const { address } = at;
    const own = { address, port, family: 4 } as const;
    const keys = [`${plan.scope} ${address}:${port}`];
    if (plan.oneToOne && (isWildcard(own) || address === plan.address)) {
      keys.push(`${EVERYWHERE} ${plan.address}:${port}`);
    }
    for (const key of keys) this.listening.set(key, at);
    return () => {
      for (const key of keys) if (this.listening.get(key) === at) this.listening.delete(key);
    };
  }

  /** Who listens on `target`, as a guest with `plan` reaches it. */
  find(plan: NetworkPlan, target: Endpoint): ListeningAt | undefined {
    const { address, port } = target;
    const at = (scope: string, name: string): ListeningAt | undefined =>
      this.listening.get(`${scope} ${name}:${port}`);
    const exact = at(plan.scope, address);
    if (exact !== undefined || !plan.oneToOne) return exact;
    if (isLoopback(target) || address === plan.address) {
      return (target.family === 4 ? at(plan.scope, "0.0.0.0") : undefined) ?? at(plan.scope, "::");
    }
    return at(EVERYWHERE, address);
  }
}
