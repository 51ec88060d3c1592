/**
 * The workers of an agent: starts them, hands guests to them, and starts another one when one
 * breaks. Lives in the main thread, which accepts guests and knows who they are.
 *
 * All processes of a guest are in one worker: they share its loopback, its ports and its published
 * ports, and talk to each other most. A new guest goes where the fewest sessions are.
 *
 * A worker that breaks by a bug takes its sessions with it: their guests lose their agent and
 * attach again, as when an agent dies. The connection to each guest is kept here too, for ending
 * it then, whatever state the worker left it in.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { closeFd, dupFd, shutdownFd } from "@outsock/hostsys";
import type { Endpoint } from "@outsock/vrpc";
import type { AgentLog } from "../agent-log.ts";
import type { PlanDescription } from "../network-plan.ts";
import { Refused } from "../region-memory.ts";
import type { Visitor } from "../session-loop.ts";
import type { SessionView } from "../session-view.ts";
import { Coordinator } from "./coordinator.ts";
import type { FromWorker, GuestCopy, NameMessage, SessionReport, ToWorker } from "./messages.ts";
import { RemoteSession } from "./remote-session.ts";
import { SharedCounts } from "./shared-counts.ts";

/** One that lived shorter is not started again before this time, milliseconds. */
const RESTART_MIN = 1000;
/** A worker that does not answer by then is left out of a report. */
const REPORT_MAX = 4000;
const STOP_MAX = 2000;

export interface WorkerPoolOptions {
  workers: number;
  log: AgentLog;
  /** The built worker; another one in tests. */
  entry?: URL;
}

export interface Admission {
  /** Its connection; the caller keeps that one. */
  fd: number;
  visitor: Visitor;
  plan: PlanDescription;
  key: string;
  /** Called when the guest is new to its worker. */
  copy(): GuestCopy;
  left(): void;
  released(): void;
}

interface Held {
  fd: number;
  seat: Seat;
  view: RemoteSession;
  gone: boolean;
  left(): void;
  released(): void;
}

interface Seat {
  readonly number: number;
  thread: Worker | undefined;
  names: MessagePort | undefined;
  ready: boolean;
  startedAt: number;
  sessions: number;
}

const ENTRY = new URL("./worker-main.js", import.meta.url);

export class WorkerPool {
  private readonly options: WorkerPoolOptions;
  private readonly counts: SharedCounts;
  private readonly coordinator: Coordinator;
  private readonly seats: Seat[] = [];
  private readonly held = new Map<number, Held>();
  private readonly placed = new Map<string, Seat>();
  private readonly leaving = new Map<string, () => void>();
  private readonly names = new Map<string, Endpoint>();
  private readonly questions = new Map<number, (sessions: SessionReport[]) => void>();
  private readonly onReady: (() => void)[] = [];
  private nextSession = 1;
  private nextQuestion = 1;
  private stopping = false;
  /** Why a worker ended before it ran. */
  private reason: string | undefined;

  constructor(options: WorkerPoolOptions) {
    this.options = options;
    this.counts = new SharedCounts(options.workers);
    this.coordinator = new Coordinator({
      counts: this.counts,
      tell: (worker, message) => this.tell(this.seats[worker]!, message),
      after: (milliseconds, work) => {
        const timer = setTimeout(work, milliseconds);
        return () => clearTimeout(timer);
      },
    });
    for (let number = 0; number < options.workers; number++) {
      const seat: Seat = {
        number,
        thread: undefined,
        names: undefined,
        ready: false,
        startedAt: 0,
        sessions: 0,
      };
      this.seats.push(seat);
      this.start(seat);
    }
  }

  /** Resolves when every worker runs. @throws Error when one does not come up */
  async ready(): Promise<void> {
    while (!this.seats.every(({ ready }) => ready)) {
      if (this.reason !== undefined) throw new Error(`a worker did not start: ${this.reason}`);
      await new Promise<void>((resolve) => this.onReady.push(resolve));
    }
  }

  /** Sessions of each worker. */
  get load(): number[] {
    return this.seats.map(({ sessions }) => sessions);
  }

  // Guests

  /** @throws Refused when no worker runs; SysError when no descriptor is left */
  admit(admission: Admission): SessionView {
    const { key, visitor, plan } = admission;
    const seat = this.placed.get(key) ?? this.leastLoaded();
    const session = this.nextSession++;
    const own = dupFd(admission.fd);
    let fd: number;
    try {
      fd = dupFd(admission.fd);
    } catch (error) {
      closeFd(own);
      throw error;
    }
    if (!this.placed.has(key)) {
      this.placed.set(key, seat);
      this.tell(seat, { say: "guest", guest: admission.copy() });
    }
    const view = new RemoteSession();
    const { left, released } = admission;
    this.held.set(session, { fd: own, seat, view, gone: false, left, released });
    seat.sessions++;
    this.tell(seat, { say: "admit", session, fd, visitor, plan, key });
    return view;
  }

  private leastLoaded(): Seat {
    const up = this.seats.filter(({ thread }) => thread !== undefined);
    if (up.length === 0) {
      throw new Refused("EAGAIN", "no worker of the agent runs: see the agent's log");
    }
    return up.reduce((least, seat) => (seat.sessions < least.sessions ? seat : least));
  }

  /** Whether the guest is about to go; `then` is called when it has. */
  isLeaving(key: string, then: () => void): boolean {
    const done = this.leaving.get(key);
    if (done === undefined) return false;
    this.leaving.set(key, () => {
      done();
      then();
    });
    return true;
  }

  /** The guest has no session any more. `done` is called when its worker has let go of it. */
  guestGone(key: string, done: () => void): void {
    const seat = this.placed.get(key);
    if (seat === undefined) {
      done();
      return;
    }
    this.leaving.set(key, done);
    this.tell(seat, { say: "guest gone", key });
  }

  private forgetGuest(key: string): void {
    this.placed.delete(key);
    const done = this.leaving.get(key);
    this.leaving.delete(key);
    done?.();
  }

  /** Guests of all workers resolve `name` to `endpoint`; undefined takes it back. */
  name(name: string, endpoint: Endpoint | undefined): void {
    if (endpoint === undefined) this.names.delete(name);
    else this.names.set(name, endpoint);
    const message: NameMessage = { name, endpoint };
    for (const { names } of this.seats) names?.postMessage(message);
  }

  /** Brings the views up to date. @param logs the kernel logs too */
  async refresh(logs: boolean): Promise<void> {
    const reports = this.seats.map((seat) => this.ask(seat, logs));
    for (const report of (await Promise.all(reports)).flat()) {
      this.held.get(report.session)?.view.update(report);
    }
  }

  private ask(seat: Seat, logs: boolean): Promise<SessionReport[]> {
    const question = this.nextQuestion++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer([]), REPORT_MAX);
      const answer = (sessions: SessionReport[]): void => {
        clearTimeout(timer);
        this.questions.delete(question);
        resolve(sessions);
      };
      this.questions.set(question, answer);
      if (seat.thread === undefined) answer([]);
      else this.tell(seat, { say: "report", question, logs });
    });
  }

  // Threads

  private start(seat: Seat): void {
    const { port1, port2 } = new MessageChannel();
    seat.names = port1;
    port1.unref();
    for (const [name, endpoint] of this.names) {
      port1.postMessage({ name, endpoint } satisfies NameMessage);
    }
    seat.startedAt = performance.now();
    const thread = new Worker(this.options.entry ?? ENTRY, {
      workerData: { worker: seat.number, counts: this.counts.memory, names: port2 },
      transferList: [port2],
      // Descriptors go from thread to thread, and close as we say.
      trackUnmanagedFds: false,
    });
    seat.thread = thread;
    thread.on("message", (message: FromWorker) => this.hear(seat, message));
    // Without it an error would end the agent; "exit" follows.
    thread.on("error", (error) => this.broken(seat, error.stack ?? String(error)));
    thread.once("exit", () => this.ended(seat));
  }

  private wakeStarters(): void {
    for (const resolve of this.onReady.splice(0)) resolve();
  }

  private tell(seat: Seat, message: ToWorker): void {
    seat.thread?.postMessage(message);
  }

  private broken(seat: Seat, reason: string): void {
    if (!seat.ready) this.reason = reason;
    this.options.log.warn(
      { worker: seat.number, reason },
      "a worker broke; another one is started",
    );
  }

  private hear(seat: Seat, message: FromWorker): void {
    switch (message.say) {
      case "ready":
        seat.ready = true;
        this.wakeStarters();
        break;
      case "left":
        this.left(message.session);
        break;
      case "released":
        this.released(message.session);
        break;
      case "guest gone":
        this.forgetGuest(message.key);
        break;
      case "log":
        this.options.log[message.level](
          { ...message.fields, worker: seat.number },
          message.message,
        );
        break;
      case "report":
        this.questions.get(message.question)?.(message.sessions);
        break;
      case "broken":
        this.broken(seat, message.reason);
        break;
      default:
        this.coordinator.hear(seat.number, message);
    }
  }

  private left(session: number): void {
    const held = this.held.get(session);
    if (held === undefined || held.gone) return;
    held.gone = true;
    held.seat.sessions--;
    closeFd(held.fd);
    held.left();
  }

  private released(session: number): void {
    const held = this.held.get(session);
    this.held.delete(session);
    held?.released();
  }

  private ended(seat: Seat): void {
    if (!seat.ready) this.wakeStarters();
    seat.thread = undefined;
    seat.ready = false;
    seat.names?.close();
    seat.names = undefined;
    this.counts.clear(seat.number);
    this.coordinator.lost(seat.number);
    const lost = [...this.held].filter(([, held]) => held.seat === seat);
    for (const [session, held] of lost) {
      if (!held.gone) shutdownFd(held.fd);
      this.left(session);
    }
    for (const [key, of] of this.placed) if (of === seat) this.placed.delete(key);
    for (const [session] of lost) this.released(session);
    for (const key of this.leaving.keys()) if (!this.placed.has(key)) this.forgetGuest(key);
    if (this.stopping) return;
    const soon = performance.now() - seat.startedAt >= RESTART_MIN;
    if (soon) this.start(seat);
    else setTimeout(() => this.stopping || this.start(seat), RESTART_MIN).unref();
  }

  async close(): Promise<void> {
    this.stopping = true;
    const ends = this.seats.map(async (seat) => {
      const { thread } = seat;
      if (thread === undefined) return;
      const ended = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
      this.tell(seat, { say: "stop" });
      const timer = setTimeout(() => void thread.terminate(), STOP_MAX);
      await ended;
      clearTimeout(timer);
    });
    await Promise.all(ends);
  }
}
