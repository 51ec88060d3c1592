import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import { isGoing, isReady } from "../pods/facts.ts";
import type { Pod } from "../pods/types.ts";

/** One guest of an agent, as its `/guests` tells. */
export interface GuestReport {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  processes: number;
  connections: number;
  shortcut: { connections: number; bytes: number };
  relay: { connections: number; bytes: number };
  /** Why connections stay on the relay, with how many. */
  reasons: Record<string, number>;
}

/** A container with Node processes that run natively, as `/untouched` tells. */
export interface UntouchedReport {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  /** Part of a sentence. */
  reason: string;
}

const LIMIT = 16 * 1024 * 1024;
const TIMEOUT = 3_000;
/** VirtualMachines of one node share an answer for so long. */
const KEPT_MS = 4_000;

/** What an agent says is checked field by field; what does not fit is left out. */
export function parseGuests(answer: unknown): GuestReport[] {
  if (!Array.isArray(answer)) throw new Error("The agent's answer is no list of guests.");
  return answer.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) return [];
    const guest = entry as Record<string, unknown>;
    if (typeof guest.uid !== "string") return [];
    return [
      {
        namespace: text(guest.namespace),
        pod: text(guest.pod),
        uid: guest.uid,
        container: text(guest.container),
        processes: count(guest.processes),
        connections: count(guest.connections),
        shortcut: path(guest.shortcut),
        relay: path(guest.relay),
        reasons: reasons(guest.reasons),
      },
    ];
  });
}

/** As parseGuests. */
export function parseUntouched(answer: unknown): UntouchedReport[] {
  if (!Array.isArray(answer)) throw new Error("The agent's answer is no list of containers.");
  return answer.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { namespace, pod, uid, container, reason } = entry as Record<string, unknown>;
    if (typeof uid !== "string" || typeof container !== "string") return [];
    return [{ namespace: text(namespace), pod: text(pod), uid, container, reason: text(reason) }];
  });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
}

function path(value: unknown): { connections: number; bytes: number } {
  const { connections, bytes } = (value ?? {}) as Record<string, unknown>;
  return { connections: count(connections), bytes: count(bytes) };
}

function reasons(value: unknown): Record<string, number> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, 32)
      .map(([reason, times]) => [reason, count(times)]),
  );
}

interface AgentsOptions {
  clock: Clock;
  log: Logger;
  port: number;
  /** All pods that are agents. */
  pods: () => Pod[];
  timeoutMs?: number;
}

/** The agents of the cluster, by node. */
export class Agents {
  private readonly options: AgentsOptions;
  private readonly answers = new Map<string, { at: number; guests: Promise<GuestReport[]> }>();

  constructor(options: AgentsOptions) {
    this.options = options;
  }

  /** Whether a node's agent is ready; undefined where the node has none. */
  readyOn(node: string): boolean | undefined {
    const agent = this.agentOf(node);
    return agent === undefined ? undefined : isReady(agent);
  }

  /** The guests on a node; rejects where its agent does not answer in time. */
  async guestsOn(node: string): Promise<GuestReport[]> {
    const { clock } = this.options;
    const address = this.addressOn(node);
    const kept = this.answers.get(address);
    if (kept && clock.now() - kept.at < KEPT_MS) return kept.guests;
    const guests = this.ask(address, "guests").then(parseGuests);
    this.answers.set(address, { at: clock.now(), guests });
    for (const [old, { at }] of this.answers) {
      if (clock.now() - at > 60_000) this.answers.delete(old);
    }
    return guests;
  }

  /** Containers on a node that run natively; rejects where its agent does not answer in time. */
  async untouchedOn(node: string): Promise<UntouchedReport[]> {
    return parseUntouched(await this.ask(this.addressOn(node), "untouched"));
  }

  private async ask(address: string, what: string): Promise<unknown> {
    const host = address.includes(":") ? `[${address}]` : address;
    const answer = await fetch(`http://${host}:${this.options.port}/${what}`, {
      signal: AbortSignal.timeout(this.options.timeoutMs ?? TIMEOUT),
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`The agent at ${address} answers ${answer.status}.`);
    let body = "";
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? []) {
      body += decoder.decode(chunk, { stream: true });
      if (body.length > LIMIT) throw new Error(`The agent at ${address} answers too much.`);
    }
    return JSON.parse(body);
  }

  private addressOn(node: string): string {
    const address = this.agentOf(node)?.status?.podIP;
    if (!address) throw new Error(`No agent runs on node ${node}.`);
    return address;
  }

  private agentOf(node: string): Pod | undefined {
    const here = this.options.pods().filter((pod) => pod.spec.nodeName === node && !isGoing(pod));
    return here.find(isReady) ?? here[0];
  }
}
