import type { Logger } from "pino";
import type { Agents } from "../agents/guests.ts";
import { type Clock, pause } from "../clock.ts";
import type { EventRecorder, Notice } from "../kube/events.ts";
import { isGoing, usesDriver } from "./facts.ts";
import type { Pod } from "./types.ts";

interface WatchOptions {
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  agents: Pick<Agents, "untouchedOn">;
  pods: () => Iterable<Pod>;
  /** Told after each look: how many containers there are. */
  onCount: (containers: number) => void;
}

/** A process that runs natively is not urgent: it has said so on its standard error. */
const LOOK_MS = 15_000;
/** Agents asked at the same time. */
const AT_ONCE = 16;

/**
 * Asks the agents for containers that were injected and yet run natively, because their Node.js is
 * too old: only the process itself knows that, and a fall-back must not be silent. One event for
 * each container of a pod.
 */
export class UntouchedWatch {
  private readonly options: WatchOptions;
  /** Containers that were spoken of, by the uid of their pod: an agent forgets them when it ends. */
  private readonly said = new Map<string, Set<string>>();

  constructor(options: WatchOptions) {
    this.options = options;
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await pause(this.options.clock, LOOK_MS, signal);
    }
    this.said.clear();
    this.options.onCount(0);
  }

  async look(): Promise<void> {
    const pods = new Map<string, Pod>();
    const nodes = new Set<string>();
    for (const pod of this.options.pods()) {
      const { uid } = pod.metadata;
      if (!usesDriver(pod) || isGoing(pod) || !pod.spec.nodeName || uid === undefined) continue;
      pods.set(uid, pod);
      nodes.add(pod.spec.nodeName);
    }
    for (const uid of this.said.keys()) if (!pods.has(uid)) this.said.delete(uid);
    const all = [...nodes];
    for (let at = 0; at < all.length; at += AT_ONCE) {
      await Promise.all(all.slice(at, at + AT_ONCE).map((node) => this.lookAt(node, pods)));
    }
    let count = 0;
    for (const containers of this.said.values()) count += containers.size;
    this.options.onCount(count);
  }

  private async lookAt(node: string, pods: ReadonlyMap<string, Pod>): Promise<void> {
    const { agents, events, log } = this.options;
    try {
      for (const { uid, container, reason } of await agents.untouchedOn(node)) {
        const pod = pods.get(uid);
        // An agent has a say about its own node's pods only.
        if (pod?.spec.nodeName !== node) continue;
        const said = this.said.get(uid) ?? new Set();
        if (said.has(container)) continue;
        this.said.set(uid, said.add(container));
        await events.say(pod, notice(container, reason));
      }
    } catch (err) {
      // VirtualMachines say that an agent is silent, and so does its DaemonSet.
      log.debug({ err, node }, "an agent was asked in vain");
    }
  }
}

function notice(container: string, reason: string): Notice {
  const note = `Node.js in container ${container} runs natively: ${reason}. A guest is Node.js 20 or later on Linux, x64 or arm64`;
  return { type: "Warning", reason: "Untouched", note };
}
