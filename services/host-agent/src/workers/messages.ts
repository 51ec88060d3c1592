/** What the main thread and its workers tell each other. Descriptors are numbers: one process. */
import type { Endpoint, PublishRequest } from "@outsock/vrpc";
import type { PlanDescription } from "../network-plan.ts";
import type { Visitor } from "../session-loop.ts";
import type { Side, Slot } from "../shortcut/pair.ts";

/** A guest as its worker knows it. */
export interface GuestCopy {
  key: string;
  pod: boolean;
  plan: PlanDescription;
  /** Bound descriptors of published ports, which go to the worker. */
  ports: { request: PublishRequest; fd: number }[];
}

export interface SessionReport {
  session: number;
  socketCount: number;
  connectionCount: number;
  bytes: number;
  pathCounts: Record<string, number>;
  guestCounters: Record<string, number>;
  /** Only when asked for. */
  log: string | undefined;
}

/** Of supervision. */
export type ToWorker =
  | {
      say: "admit";
      session: number;
      fd: number;
      visitor: Visitor;
      plan: PlanDescription;
      key: string;
    }
  | { say: "guest"; guest: GuestCopy }
  | { say: "guest gone"; key: string }
  | { say: "report"; question: number; logs: boolean }
  | { say: "stop" }
  | CoordinatorToWorker;

export type FromWorker =
  | { say: "ready" }
  | { say: "left"; session: number }
  | { say: "released"; session: number }
  | { say: "guest gone"; key: string }
  | { say: "log"; level: "info" | "warn"; fields: object; message: string }
  | { say: "report"; question: number; sessions: SessionReport[] }
  | { say: "broken"; reason: string }
  | WorkerToCoordinator;

/** An end of a kernel connection, offered to all workers. */
export interface RemoteOffer {
  /** The worker's number for it. */
  offer: number;
  kind: "connected" | "accepted";
  proofs: readonly string[];
  session: number;
  /** The kernel's end: the coordinator's until it answers that there is no shortcut. */
  fd: number;
}

export type WorkerToCoordinator =
  | ({ say: "offer" } & RemoteOffer)
  | { say: "withdraw"; offer: number; keep: boolean }
  | { say: "announced"; pair: number; side: Side; ok: boolean }
  | { say: "closed"; shortcut: number; side: Side }
  | { say: "abandon"; shortcut: number; side: Side }
  | { say: "closed by guest"; shortcut: number; side: Side; reset: boolean }
  /** Reason as in PAIR_ENDED. */
  | { say: "pair ended"; session: number; pair: number; reason: number }
  | { say: "left broker"; session: number }
  | { say: "turned"; turn: number };

export type CoordinatorToWorker =
  /** No shortcut: the descriptor is the worker's again. */
  | { say: "unmatched"; offer: number; why: number }
  | { say: "matched"; offer: number; shortcut: number; pair: number; side: Side; slot: Slot }
  | {
      say: "announce";
      pair: number;
      side: Side;
      session: number;
      bytes: number;
      fds: readonly number[];
    }
  | { say: "reset"; shortcut: number; errno: number }
  | { say: "notify"; shortcut: number; events: number }
  | { say: "turn"; turn: number };

/** On a channel of its own, so that a worker can read on when a guest asks for a name. */
export type NameMessage = { name: string; endpoint: Endpoint | undefined };
