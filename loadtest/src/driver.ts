import { setTimeout as delay } from "node:timers/promises";
import { isSorry } from "./core/page.ts";
import { seededRandom } from "./core/random.ts";
import type { Catalogue } from "./core/requests.ts";
import { Session } from "./core/session.ts";
import { type Phase, type PhaseName, phases, thinkMs } from "./core/think.ts";
import type { TransitionTable } from "./core/transitions.ts";
import type { Visit } from "./core/walk.ts";
import { HttpClient } from "./http-client.ts";
import { LoadStatistics, type LoadSummary } from "./statistics.ts";

export interface LoadOptions {
  /** Origin of the web tier, such as http://127.0.0.1:8080. */
  readonly url: string;
  readonly table: TransitionTable;
  readonly catalogue: Catalogue;
  readonly clients: number;
  readonly seed: number;
  /** Factor on think time; 0 for a closed loop without pauses. */
  readonly slowdown: number;
  /** Ramps and run; statistics are of the run alone. */
  readonly phases?: readonly Phase[];
  /** Stop after so many interactions in all. */
  readonly interactions?: number;
  readonly signal?: AbortSignal;
  readonly onPhase?: (phase: PhaseName | "end") => void;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly progressEveryMs?: number;
}

export interface LoadProgress {
  readonly phase: PhaseName;
  /** Since the start of the load. */
  readonly elapsedSeconds: number;
  readonly totalSeconds: number;
  readonly clients: number;
  /** Since the start of the load, in all phases. */
  readonly interactions: number;
  readonly errors: number;
  /** Interactions a second since the last report. */
  readonly rate: number;
}

export interface LoadResult {
  readonly summary: LoadSummary;
  /** Stopped by its signal: the summary covers what was done until then. */
  readonly aborted: boolean;
}

/** A server that refuses connections isn't asked in a tight loop. */
const PAUSE_AFTER_FAILURE_MS = 100;

/** Runs N emulated clients against a web tier through all phases. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  return new LoadRun(options).run();
}

class LoadRun {
  readonly #options: LoadOptions;
  readonly #phases: readonly Phase[];
  readonly #stop = new AbortController();
  readonly #measured = new LoadStatistics();
  readonly #started = performance.now();
  #phase: Phase;
  #runStarted: number | undefined;
  #runEnded: number | undefined;
  #interactions = 0;
  #errors = 0;
  #reported = { at: this.#started, interactions: 0 };

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#phases = (options.phases ?? phases()).filter((phase) => phase.seconds > 0);
    const [first] = this.#phases;
    if (first === undefined) throw new Error("a load needs a phase of more than 0 seconds");
    this.#phase = first;
  }

  async run(): Promise<LoadResult> {
    const { signal, clients, onProgress, progressEveryMs = 1000 } = this.#options;
    const onAbort = (): void => this.#stop.abort();
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) this.#stop.abort();
    const ticker = setInterval(() => this.#report(), progressEveryMs);
    if (onProgress === undefined) clearInterval(ticker);
    try {
      const schedule = this.#followPhases();
      await Promise.all(Array.from({ length: clients }, (_, client) => this.#client(client)));
      this.#stop.abort();
      await schedule;
    } finally {
      clearInterval(ticker);
      signal?.removeEventListener("abort", onAbort);
    }
    const from = this.#runStarted;
    const seconds = from === undefined ? 0 : ((this.#runEnded ?? performance.now()) - from) / 1000;
    return { summary: this.#measured.summary(seconds), aborted: signal?.aborted ?? false };
  }

  async #followPhases(): Promise<void> {
    for (const phase of this.#phases) {
      if (this.#stop.signal.aborted) break;
      this.#phase = phase;
      this.#options.onPhase?.(phase.name);
      if (phase.name === "run") this.#runStarted = performance.now();
      await this.#sleep(phase.seconds * 1000);
      if (phase.name === "run") this.#runEnded = performance.now();
    }
    this.#stop.abort();
    this.#options.onPhase?.("end");
  }

  /** Waits, but not beyond the end of the load. Infinity waits for that end. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (Number.isFinite(ms)) {
      await delay(ms, undefined, { signal }).catch(() => {});
    } else if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
  }

  async #client(index: number): Promise<void> {
    const http = new HttpClient(this.#options.url);
    const { signal } = this.#stop;
    const drop = (): void => void http.destroy();
    signal.addEventListener("abort", drop, { once: true });
    const random = seededRandom(this.#options.seed, index);
    try {
      while (!signal.aborted) {
        const session = new Session(this.#options.table, this.#options.catalogue, random);
        const began = performance.now();
        let visit: Visit | undefined = session.first();
        while (visit !== undefined && !signal.aborted) {
          const body = await this.#interact(http, visit);
          if (signal.aborted) break;
          visit = session.next(body === undefined ? { ok: false } : { ok: true, body });
          const think = thinkMs(random, this.#options.slowdown * this.#phase.slowdown);
          if (think > 0) await this.#sleep(think);
        }
        if (visit === undefined && this.#phase.name === "run") {
          this.#measured.sessionEnded((performance.now() - began) / 1000);
        }
      }
    } finally {
      signal.removeEventListener("abort", drop);
      await http.destroy();
    }
  }

  /** Asks for one page and counts it in the phase in which the answer ends. */
  async #interact(http: HttpClient, { state, path }: Visit): Promise<string | undefined> {
    const sent = performance.now();
    try {
      const answer = await http.get(path);
      const elapsed = performance.now() - sent;
      if (this.#stop.signal.aborted) return undefined;
      if (answer.status >= 400) return this.#failure(state, `status ${answer.status} for ${path}`);
      if (this.#phase.name === "run") {
        this.#measured.answered(state, elapsed, answer.bytes, isSorry(answer.body));
      }
      this.#countInteraction();
      return answer.body;
    } catch (error) {
      if (this.#stop.signal.aborted) return undefined;
      this.#failure(state, `${error instanceof Error ? error.message : String(error)} for ${path}`);
      await this.#sleep(PAUSE_AFTER_FAILURE_MS);
      return undefined;
    }
  }

  #failure(state: number, why: string): undefined {
    this.#errors += 1;
    if (this.#phase.name === "run") this.#measured.failed(state, why);
    this.#countInteraction();
  }

  #countInteraction(): void {
    this.#interactions += 1;
    if (this.#interactions >= (this.#options.interactions ?? Number.POSITIVE_INFINITY)) {
      this.#runEnded ??= performance.now();
      this.#stop.abort();
    }
  }

  #report(): void {
    const now = performance.now();
    const seconds = (now - this.#reported.at) / 1000;
    this.#options.onProgress?.({
      phase: this.#phase.name,
      elapsedSeconds: (now - this.#started) / 1000,
      totalSeconds: this.#phases.reduce((sum, phase) => sum + phase.seconds, 0),
      clients: this.#options.clients,
      interactions: this.#interactions,
      errors: this.#errors,
      rate: (this.#interactions - this.#reported.interactions) / seconds,
    });
    this.#reported = { at: now, interactions: this.#interactions };
  }
}
