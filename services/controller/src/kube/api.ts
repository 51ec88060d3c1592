/** What the controller needs of an API server. `rest.ts` speaks to a real one. */

interface ObjectMeta {
  name?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: { manager?: string; operation?: string; fieldsV1?: unknown }[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

export interface KubeList<T> {
  metadata: { resourceVersion?: string; continue?: string };
  items: T[];
}

export interface WatchEvent<T> {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: T;
}

export type Query = Record<string, string>;

/**
 * - `apply`: server-side apply; the query names the field manager
 * - `merge`: RFC 7386
 * - `json`: RFC 6902
 */
export type PatchKind = "apply" | "merge" | "json";

export interface ApiServer {
  get<T>(path: string, query?: Query): Promise<T>;
  create<T>(path: string, body: unknown): Promise<T>;
  update<T>(path: string, body: unknown): Promise<T>;
  patch<T>(path: string, kind: PatchKind, body: unknown, query?: Query): Promise<T>;
  delete(path: string, body?: unknown): Promise<void>;
  /** Resolves when the server ends the watch or `signal` aborts; rejects when it breaks. */
  watch<T>(
    path: string,
    query: Query,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

/** The server's answer where it is not a success. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
  }
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}

/** A kind of object as paths name it. */
export interface Resource {
  /** `v1`, or `apps/v1`. */
  apiVersion: string;
  kind: string;
  plural: string;
}

export const RESOURCES = {
  pods: { apiVersion: "v1", kind: "Pod", plural: "pods" },
  namespaces: { apiVersion: "v1", kind: "Namespace", plural: "namespaces" },
  secrets: { apiVersion: "v1", kind: "Secret", plural: "secrets" },
  deployments: { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments" },
  statefulSets: { apiVersion: "apps/v1", kind: "StatefulSet", plural: "statefulsets" },
  daemonSets: { apiVersion: "apps/v1", kind: "DaemonSet", plural: "daemonsets" },
  leases: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", plural: "leases" },
  events: { apiVersion: "events.k8s.io/v1", kind: "Event", plural: "events" },
  webhooks: {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    plural: "mutatingwebhookconfigurations",
  },
  virtualMachines: {
    apiVersion: "outsock.dev/v1alpha1",
    kind: "VirtualMachine",
    plural: "virtualmachines",
  },
} as const satisfies Record<string, Resource>;

/** `/apis/apps/v1/namespaces/NS/deployments/NAME/status`; parts left out are left out. */
export function pathOf(
  resource: Resource,
  namespace?: string,
  name?: string,
  subresource?: string,
): string {
  const root = resource.apiVersion.includes("/") ? "/apis" : "/api";
  const parts = [root, resource.apiVersion];
  if (namespace) parts.push("namespaces", encodeURIComponent(namespace));
  parts.push(resource.plural);
  if (name) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  return parts.join("/");
}

export const FIELD_MANAGER = "outsock-controller";
export const APPLY: Query = { fieldManager: FIELD_MANAGER };
export const APPLY_FORCED: Query = { fieldManager: FIELD_MANAGER, force: "true" };

/** `namespace/name`, the key of caches and queues. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;
}

/** All items, page by page. */
export async function listAll<T>(
  api: ApiServer,
  path: string,
  query: Query = {},
): Promise<KubeList<T>> {
  const items: T[] = [];
  let next: string | undefined;
  for (;;) {
    const page: KubeList<T> = await api.get(path, {
      ...query,
      limit: "500",
      ...(next ? { continue: next } : {}),
    });
    items.push(...(page.items ?? []));
    next = page.metadata.continue;
    if (!next) return { metadata: page.metadata, items };
  }
}
