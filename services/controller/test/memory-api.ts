import {
  ApiError,
  type ApiServer,
  type KubeObject,
  type PatchKind,
  type Query,
  type WatchEvent,
} from "../src/kube/api.ts";

interface Entry {
  type: WatchEvent<KubeObject>["type"];
  path: string;
  object: KubeObject;
  version: number;
}

export interface Recorded {
  method: string;
  path: string;
  body?: unknown;
  query?: Query;
}

/**
 * An API server in memory: versions, conflicts, watches, uids, finalizers and (roughly) patches, as
 * far as the controller's tests need them. Records every request.
 */
export class MemoryApi implements ApiServer {
  readonly requests: Recorded[] = [];
  private readonly objects = new Map<string, KubeObject>();
  private readonly log: Entry[] = [];
  private readonly watchers = new Set<() => void>();
  private version = 100;
  private uids = 0;
  /** Versions up to this one are forgotten: 410. */
  private compacted = 0;

  /** Puts an object there as if somebody else had; `collection` is its path without the name. */
  put(collection: string, object: KubeObject): KubeObject {
    const path = `${collection}/${object.metadata.name}`;
    const type = this.objects.has(path) ? "MODIFIED" : "ADDED";
    const uid = object.metadata.uid ?? this.objects.get(path)?.metadata.uid ?? `uid-${++this.uids}`;
    return this.store(type, path, { ...object, metadata: { ...object.metadata, uid } });
  }

  remove(path: string): void {
    const object = this.objects.get(path);
    if (!object) return;
    this.objects.delete(path);
    this.record("DELETED", path, { ...object, metadata: { ...object.metadata } });
  }

  peek<T extends KubeObject>(path: string): T | undefined {
    return this.objects.get(path) as T | undefined;
  }

  under(collection: string): KubeObject[] {
    return this.matching(collection);
  }

  /** Ends all watches; with `forget`, what they would go on from is gone. */
  breakWatches(forget = false): void {
    if (forget) this.compacted = ++this.version;
    for (const wake of [...this.watchers]) wake();
  }

  writes(): Recorded[] {
    return this.requests.filter(({ method }) => method !== "GET" && method !== "WATCH");
  }

  async get<T>(path: string, query?: Query): Promise<T> {
    this.requests.push({ method: "GET", path, ...(query ? { query } : {}) });
    const object = this.objects.get(path);
    if (object) return structuredClone(object) as T;
    if (isCollection(path)) {
      let items = structuredClone(this.matching(path));
      const [label, value] = query?.labelSelector?.split("=") ?? [];
      if (label) items = items.filter(({ metadata }) => metadata.labels?.[label] === value);
      return { metadata: { resourceVersion: String(this.version) }, items } as T;
    }
    throw new ApiError(404, "NotFound", `${path} not found`);
  }

  async create<T>(path: string, body: unknown): Promise<T> {
    this.requests.push({ method: "POST", path, body });
    if (path.endsWith("/eviction")) {
      this.remove(path.slice(0, -"/eviction".length));
      return {} as T;
    }
    const object = structuredClone(body) as KubeObject;
    const target = `${path}/${object.metadata.name}`;
    if (this.objects.has(target)) throw new ApiError(409, "AlreadyExists", `${target} exists`);
    return structuredClone(this.put(path, object)) as T;
  }

  async update<T>(path: string, body: unknown): Promise<T> {
    this.requests.push({ method: "PUT", path, body });
    const object = structuredClone(body) as KubeObject;
    const before = this.objects.get(path);
    if (!before) throw new ApiError(404, "NotFound", `${path} not found`);
    const named = object.metadata.resourceVersion;
    if (named !== undefined && named !== before.metadata.resourceVersion) {
      throw new ApiError(409, "Conflict", "the object has been modified");
    }
    return structuredClone(this.store("MODIFIED", path, object)) as T;
  }

  async patch<T>(path: string, kind: PatchKind, body: unknown, query?: Query): Promise<T> {
    this.requests.push({ method: `PATCH ${kind}`, path, body, ...(query ? { query } : {}) });
    const target = path.replace(/\/status$/, "");
    const before = this.objects.get(target);
    const change = body as KubeObject;
    const uid = kind === "json" ? undefined : change.metadata?.uid;
    if (!before) {
      if (kind !== "apply" || uid) throw new ApiError(404, "NotFound", `${target} not found`);
      const made = this.put(target.slice(0, target.lastIndexOf("/")), change);
      made.metadata.generation = 1;
      return structuredClone(made) as T;
    }
    if (uid && uid !== before.metadata.uid) throw new ApiError(409, "Conflict", "uid differs");
    const named = kind === "json" ? undefined : change.metadata?.resourceVersion;
    if (named && named !== before.metadata.resourceVersion) {
      throw new ApiError(409, "Conflict", "the object has been modified");
    }
    const merged =
      kind === "json"
        ? applyJsonPatch(before, body as JsonOperation[])
        : (merge(before, body) as KubeObject);
    if (JSON.stringify(merged) === JSON.stringify(before)) return structuredClone(before) as T;
    const { deletionTimestamp, finalizers = [] } = merged.metadata;
    if (deletionTimestamp && finalizers.length === 0) {
      this.remove(target);
      return merged as T;
    }
    return structuredClone(this.store("MODIFIED", target, merged)) as T;
  }

  async delete(path: string, body?: unknown): Promise<void> {
    this.requests.push({ method: "DELETE", path, body });
    const object = this.objects.get(path);
    if (!object) throw new ApiError(404, "NotFound", `${path} not found`);
    if ((object.metadata.finalizers ?? []).length === 0) return this.remove(path);
    const deletionTimestamp = "2030-01-01T00:00:00Z";
    this.store("MODIFIED", path, {
      ...object,
      metadata: { ...object.metadata, deletionTimestamp },
    });
  }

  async watch<T>(
    path: string,
    query: Query,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.requests.push({ method: "WATCH", path, query });
    let seen = Number(query.resourceVersion);
    if (seen < this.compacted) {
      const gone = { code: 410, reason: "Expired", message: "too old resource version" };
      onEvent({ type: "ERROR", object: gone as T });
      return;
    }
    const send = () => {
      for (const entry of this.log) {
        if (entry.version <= seen || !isUnder(path, entry.path)) continue;
        seen = entry.version;
        onEvent({ type: entry.type, object: structuredClone(entry.object) as T });
      }
    };
    send();
    await new Promise<void>((resolve) => {
      const end = () => {
        this.watchers.delete(end);
        this.senders.delete(send);
        resolve();
      };
      this.watchers.add(end);
      this.senders.add(send);
      signal.addEventListener("abort", end, { once: true });
    });
  }

  private readonly senders = new Set<() => void>();

  private store(type: Entry["type"], path: string, object: KubeObject): KubeObject {
    this.objects.set(path, object);
    this.record(type, path, object);
    return object;
  }

  private record(type: Entry["type"], path: string, object: KubeObject): void {
    const version = ++this.version;
    object.metadata.resourceVersion = String(version);
    this.log.push({ type, path, object: structuredClone(object), version });
    for (const send of [...this.senders]) queueMicrotask(send);
  }

  private matching(collection: string): KubeObject[] {
    return [...this.objects].filter(([path]) => isUnder(collection, path)).map(([, o]) => o);
  }
}

/** `/apis/apps/v1/deployments` holds `/apis/apps/v1/namespaces/x/deployments/y`. */
function isUnder(collection: string, path: string): boolean {
  const parent = path.slice(0, path.lastIndexOf("/"));
  return parent === collection || parent.replace(/\/namespaces\/[^/]+/, "") === collection;
}

function isCollection(path: string): boolean {
  const rest = path.replace(/^\/(api\/v1|apis\/[^/]+\/[^/]+)/, "");
  return rest.replace(/^\/namespaces\/[^/]+/, "").split("/").length === 2;
}

/** RFC 7386; close enough to server-side apply where one manager owns what it sends. */
function merge(before: unknown, change: unknown): unknown {
  if (typeof change !== "object" || change === null || Array.isArray(change)) return change;
  const result: Record<string, unknown> = { ...(before as Record<string, unknown>) };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key] ?? {}, value);
  }
  return result;
}

export interface JsonOperation {
  op: string;
  path: string;
  value?: unknown;
}

/** RFC 6902: add, replace, remove, test. */
export function applyJsonPatch<T>(document: T, operations: readonly JsonOperation[]): T {
  const result = structuredClone(document);
  for (const { op, path, value } of operations) {
    const keys = path.split("/").slice(1);
    const last = keys.pop()!.replaceAll("~1", "/").replaceAll("~0", "~");
    let at = result as Record<string, unknown>;
    for (const key of keys) {
      at = at[key.replaceAll("~1", "/").replaceAll("~0", "~")] as Record<string, unknown>;
      if (at === undefined) throw new ApiError(422, "Invalid", `${path}: no such parent`);
    }
    if (op === "test") {
      if (JSON.stringify(at[last]) !== JSON.stringify(value)) {
        throw new ApiError(422, "Invalid", `${path}: test failed`);
      }
    } else if (op === "remove") {
      if (!(last in at)) throw new ApiError(422, "Invalid", `${path}: not there`);
      delete at[last];
    } else if (Array.isArray(at)) {
      if (last === "-") at.push(value);
      else at[Number(last)] = value;
    } else {
      if (op === "replace" && !(last in at))
        throw new ApiError(422, "Invalid", `${path}: not there`);
      at[last] = value;
    }
  }
  return result;
}
