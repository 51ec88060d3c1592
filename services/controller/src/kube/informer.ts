import type { Logger } from "pino";
import { type Clock, pause } from "../clock.ts";
import {
  ApiError,
  type ApiServer,
  isStatus,
  type KubeObject,
  keyOf,
  listAll,
  type Query,
  type WatchEvent,
} from "./api.ts";

interface InformerOptions<T> {
  api: ApiServer;
  path: string;
  query?: Query;
  clock: Clock;
  log: Logger;
  /** Keeps what is needed of an object: a cluster's pods are many. */
  trim?: (object: T) => T;
  /** Every object is handed out again so often, so that nothing missed stays missed. */
  resyncMs?: number;
  random?: () => number;
}

/** Called with the object as it is now and as it was; one of the two may be missing. */
export type Handler<T> = (now: T | undefined, before: T | undefined) => void;

const RETRY_FIRST = 1_000;
const RETRY_MOST = 30_000;

/**
 * A cache of one kind of object: list, then watch from there on. A watch that ends goes on from the
 * last version seen; one that the server has forgotten (410 Gone) starts with a list again. Errors
 * are waited out, ever longer.
 */
export class Informer<T extends KubeObject> {
  private readonly options: InformerOptions<T>;
  private readonly objects = new Map<string, T>();
  private readonly handlers: Handler<T>[] = [];
  private markSynced: () => void = () => {};
  private hasSynced = false;
  /** Resolves after the first list. */
  readonly synced: Promise<void>;

  constructor(options: InformerOptions<T>) {
    this.options = options;
    this.synced = new Promise((resolve) => {
      this.markSynced = resolve;
    });
  }

  get isSynced(): boolean {
    return this.hasSynced;
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  list(): T[] {
    return [...this.objects.values()];
  }

  onChange(handler: Handler<T>): void {
    this.handlers.push(handler);
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, path, random = Math.random } = this.options;
    const stopResync = this.startResync();
    let version = "";
    let wait = RETRY_FIRST;
    while (!signal.aborted) {
      try {
        if (version === "") version = await this.relist();
        const started = clock.now();
        version = await this.follow(version, signal);
        if (clock.now() - started > RETRY_FIRST) wait = RETRY_FIRST;
        // A server that ends every watch at once must not be asked without pause.
        else if (!signal.aborted) await pause(clock, wait * (0.5 + random() / 2), signal);
      } catch (error) {
        if (signal.aborted) break;
        if (isStatus(error, 410)) {
          version = "";
          continue;
        }
        log.warn({ err: error, path }, "watch failed, trying again");
        await pause(clock, wait * (0.5 + random() / 2), signal);
        wait = Math.min(wait * 2, RETRY_MOST);
        // What was missed meanwhile may be gone from the server's memory.
        if (error instanceof ApiError) version = "";
      }
    }
    stopResync();
  }

  private startResync(): () => void {
    const { clock, resyncMs = 10 * 60_000, random = Math.random } = this.options;
    let cancel = () => {};
    const plan = () => {
      cancel = clock.after(resyncMs * (0.9 + random() / 5), () => {
        for (const object of this.objects.values()) this.tell(object, object);
        plan();
      });
    };
    plan();
    return () => cancel();
  }

  private async relist(): Promise<string> {
    const { api, path, query } = this.options;
    const list = await listAll<T>(api, path, query);
    const seen = new Set<string>();
    for (const object of list.items) {
      seen.add(keyOf(object));
      this.put(object);
    }
    for (const [key, object] of [...this.objects]) {
      if (seen.has(key)) continue;
      this.objects.delete(key);
      this.tell(undefined, object);
    }
    this.hasSynced = true;
    this.markSynced();
    return list.metadata.resourceVersion ?? "";
  }

  private async follow(from: string, signal: AbortSignal): Promise<string> {
    const { api, path, query } = this.options;
    let version = from;
    let broken: ApiError | undefined;
    await api.watch<T>(
      path,
      { ...query, resourceVersion: from },
      (event: WatchEvent<T>) => {
        if (event.type === "ERROR") {
          const status = event.object as unknown as {
            code?: number;
            reason?: string;
            message?: string;
          };
          broken = new ApiError(status.code ?? 500, status.reason ?? "", status.message ?? "");
          return;
        }
        version = event.object.metadata.resourceVersion ?? version;
        if (event.type === "DELETED") {
          const key = keyOf(event.object);
          const before = this.objects.get(key);
          this.objects.delete(key);
          this.tell(undefined, before ?? event.object);
        } else if (event.type !== "BOOKMARK") this.put(event.object);
      },
      signal,
    );
    if (broken) throw broken;
    return version;
  }

  private put(object: T): void {
    const trimmed = this.options.trim ? this.options.trim(object) : object;
    const key = keyOf(trimmed);
    const before = this.objects.get(key);
    this.objects.set(key, trimmed);
    if (
      before === undefined ||
      before.metadata.resourceVersion !== trimmed.metadata.resourceVersion
    ) {
      this.tell(trimmed, before);
    }
  }

  private tell(now: T | undefined, before: T | undefined): void {
    for (const handler of this.handlers) handler(now, before);
  }
}
