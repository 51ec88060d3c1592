import type { Pod } from "../pods/types.ts";
import { inject, type Outcome } from "./inject.ts";

/** admission.k8s.io/v1 */
interface AdmissionResponse {
  uid: string;
  allowed: boolean;
  patchType?: "JSONPatch";
  patch?: string;
  status?: { code: number; reason: string; message: string };
  warnings?: string[];
}

interface AdmissionReview {
  apiVersion: "admission.k8s.io/v1";
  kind: "AdmissionReview";
  response: AdmissionResponse;
}

/** What was sent is no AdmissionReview. */
export class ReviewInvalid extends Error {
  override name = "ReviewInvalid";
}

/** Answers an AdmissionReview. Throws ReviewInvalid, and nothing else. */
export function answerReview(body: unknown): { review: AdmissionReview; outcome: Outcome } {
  const review = body as {
    apiVersion?: unknown;
    kind?: unknown;
    request?: { uid?: unknown; operation?: unknown; kind?: { kind?: unknown }; object?: unknown };
  } | null;
  if (review?.apiVersion !== "admission.k8s.io/v1" || review.kind !== "AdmissionReview") {
    throw new ReviewInvalid("This is no AdmissionReview of admission.k8s.io/v1.");
  }
  const { request } = review;
  if (typeof request?.uid !== "string") throw new ReviewInvalid("The request has no uid.");
  const outcome: Outcome =
    request.operation === "CREATE" && request.kind?.kind === "Pod"
      ? inject(podOf(request.object))
      : { outcome: "untouched" };
  const response: AdmissionResponse = { uid: request.uid, allowed: outcome.outcome !== "refused" };
  if (outcome.outcome === "refused") {
    response.status = { code: 422, reason: "Invalid", message: outcome.message };
  } else if (outcome.outcome !== "untouched" && outcome.patch.length > 0) {
    response.patchType = "JSONPatch";
    response.patch = Buffer.from(JSON.stringify(outcome.patch)).toString("base64");
  }
  if (outcome.outcome === "native") {
    response.warnings = [`outsock: the pod runs natively: ${outcome.reason}`];
  }
  return {
    review: { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response },
    outcome,
  };
}

/** The API server has validated nothing of the pod yet: only the shape that is used is checked. */
function podOf(object: unknown): Pod {
  const bad = (what: string) => new ReviewInvalid(`The pod's ${what} is malformed.`);
  const pod = withoutNulls(object) as Pod | undefined;
  if (!isObject(pod)) throw bad("object");
  const { metadata, spec } = pod;
  if (!isObject(metadata)) throw bad("metadata");
  if (!isObject(spec)) throw bad("spec");
  for (const texts of [metadata.annotations, metadata.labels, spec.nodeSelector]) {
    if (texts === undefined) continue;
    if (!isObject(texts) || Object.values(texts).some((text) => typeof text !== "string")) {
      throw bad("labels, annotations or nodeSelector");
    }
  }
  const { containers, initContainers = [], volumes = [] } = spec;
  if (!named(containers) || !named(initContainers)) throw bad("containers");
  if (!named(volumes)) throw bad("volumes");
  for (const { env = [], envFrom = [], volumeMounts = [] } of [...containers, ...initContainers]) {
    if (!named(env) || !env.every((one) => isText(one.value) && isObject(one.valueFrom ?? {}))) {
      throw bad("env");
    }
    if (!objects(envFrom) || !envFrom.every(({ prefix }) => isText(prefix))) throw bad("envFrom");
    if (!named(volumeMounts)) throw bad("volumeMounts");
    if (volumeMounts.some(({ mountPath }) => typeof mountPath !== "string")) {
      throw bad("volumeMounts");
    }
  }
  return pod;
}

/** In Kubernetes' JSON null says the same as nothing. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null)
      .map(([name, field]) => [name, withoutNulls(field)]),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function objects(list: unknown): boolean {
  return Array.isArray(list) && list.every(isObject);
}

function named(list: unknown): boolean {
  return (
    objects(list) && (list as { name: unknown }[]).every(({ name }) => typeof name === "string")
  );
}
