/** A worker's guests and sessions, as the main thread tells of them. */
import { Socket } from "node:net";
import type { Endpoint, Refusal } from "@outsock/vrpc";
import type { AgentLog } from "../agent-log.ts";
import { ListenerDirectory, type ListeningAt } from "../listener-directory.ts";
import type { NetworkPlan } from "../network-plan.ts";
import { PublishedPort } from "../published-port.ts";
import { Refused } from "../region-memory.ts";
import type { Session } from "../session.ts";
import { SessionLoop } from "../session-loop.ts";
import type { FromWorker, GuestCopy, SessionReport, ToWorker } from "./messages.ts";
import { planOf } from "./plan-copy.ts";
import type { SharedCounts } from "./shared-counts.ts";
import { WorkerBroker } from "./worker-broker.ts";

export interface WorkerSideOptions {
  worker: number;
  counts: SharedCounts;
  tell(message: FromWorker): void;
  /** Addresses of a guest's name, empty when no guest has it. */
  resolve(name: string): Endpoint[];
}

interface Guest {
  pod: boolean;
  plan: NetworkPlan;
  ports: PublishedPort[];
}

/** Says to all workers that somebody listens here. */
class CountedDirectory extends ListenerDirectory {
  private readonly count: () => () => void;

  constructor(count: () => () => void) {
    super();
    this.count = count;
  }

  override add(plan: NetworkPlan, port: number, at: ListeningAt): () => void {
    const less = this.count();
    const forget = super.add(plan, port, at);
    return () => {
      less();
      forget();
    };
  }
}

export class WorkerSide {
  private readonly options: WorkerSideOptions;
  private readonly log: AgentLog;
  private readonly loop: SessionLoop;
  private broker!: WorkerBroker;
  private readonly guests = new Map<string, Guest>();
  private readonly sessions = new Map<number, Session>();

  constructor(options: WorkerSideOptions) {
    const { worker, counts, tell } = options;
    this.options = options;
    this.log = {
      info: (fields, message) => tell({ say: "log", level: "info", fields, message }),
      warn: (fields, message) => tell({ say: "log", level: "warn", fields, message }),
    };
    this.loop = new SessionLoop({
      log: this.log,
      directory: new CountedDirectory(() => counts.listening(worker)),
      matchmaker: (local, lifelines) => {
        const defer = (turn: () => void): void => void setImmediate(turn);
        this.broker = new WorkerBroker({ worker, local, lifelines, counts, defer, tell });
        return this.broker;
      },
    });
  }

  hear(message: ToWorker): void {
    switch (message.say) {
      case "guest":
        this.addGuest(message.guest);
        break;
      case "guest gone":
        for (const port of this.guests.get(message.key)?.ports ?? []) port.close();
        this.guests.delete(message.key);
        this.options.tell(message);
        break;
      case "admit":
        this.admit(message);
        break;
      case "report":
        this.options.tell({
          say: "report",
          question: message.question,
          sessions: this.report(message.logs),
        });
        break;
      case "stop":
        this.abandon();
        break;
      default:
        this.broker.hear(message);
    }
  }

  private addGuest({ key, pod, plan, ports }: GuestCopy): void {
    const trouble = (sentence: string): void => this.log.warn({ guest: key }, sentence);
    this.guests.set(key, {
      pod,
      plan: planOf(plan),
      ports: ports.map(({ request, fd }) => new PublishedPort(request, trouble, fd)),
    });
  }

  private admit(message: ToWorker & { say: "admit" }): void {
    const { session: number, fd, visitor, key } = message;
    const { tell, resolve } = this.options;
    const guest = this.guests.get(key);
    if (guest === undefined) throw new Error(`no guest "${key}" in this worker`);
    const socket = new Socket({ fd });
    socket.on("error", () => {});
    try {
      this.loop.admit(socket, visitor, {
        // Rights of a pod's process are its own; a local guest's ports are the whole guest's.
        plan: guest.pod ? planOf(message.plan) : guest.plan,
        onListen: (listener) => {
          for (const port of guest.ports) port.offer(listener);
        },
        resolve: (name) => (guest.pod ? [] : resolve(name)),
        entered: (session) => {
          this.sessions.set(number, session);
          this.broker.enter(session, number);
        },
        left: () => {
          this.sessions.delete(number);
          tell({ say: "left", session: number });
        },
        released: () => tell({ say: "released", session: number }),
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.log.warn({ code: error.code }, `refused: ${error.message}`);
      const refusal: Refusal = { ok: false, code: error.code, error: error.message };
      socket.end(`${JSON.stringify(refusal)}\n`);
      tell({ say: "left", session: number });
      tell({ say: "released", session: number });
    }
  }

  private report(logs: boolean): SessionReport[] {
    return [...this.sessions].map(([number, session]) => ({
      session: number,
      socketCount: session.socketCount,
      connectionCount: session.connectionCount,
      bytes: session.bytes,
      pathCounts: session.pathCounts,
      guestCounters: session.guestCounters,
      log: logs ? session.kernelLog() : undefined,
    }));
  }

  /** Lets go of everything at once, as the kernel does when a process dies. */
  abandon(): void {
    this.loop.abandon();
    for (const { ports } of this.guests.values()) for (const port of ports) port.close();
    this.loop.close();
  }
}
