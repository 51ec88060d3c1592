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
  const pod = object as Pod | null | undefined;
  if (typeof pod !== "object" || pod === null) throw bad("object");
  if (typeof pod.metadata !== "object" || pod.metadata === null) throw bad("metadata");
  for (const texts of [pod.metadata.annotations, pod.metadata.labels, pod.spec?.nodeSelector]) {
    if (texts === undefined || texts === null) continue;
    if (typeof texts !== "object") throw bad("metadata");
    if (Object.values(texts).some((text) => typeof text !== "string")) throw bad("metadata");
  }
  if (typeof pod.spec !== "object" || pod.spec === null) throw bad("spec");
  const { containers, initContainers = [], volumes = [] } = pod.spec;
  if (!named(containers) || !named(initContainers ?? [])) throw bad("containers");
  if (!named(volumes ?? [])) throw bad("volumes");
  for (const { env, envFrom, volumeMounts } of [...containers, ...(initContainers ?? [])]) {
    if (!named(env ?? [])) throw bad("env");
    if (!objects(envFrom ?? [])) throw bad("envFrom");
    for (const source of envFrom ?? []) {
      if (!["string", "undefined"].includes(typeof source.prefix)) throw bad("envFrom");
    }
    for (const variable of env ?? []) {
      if (!["string", "undefined"].includes(typeof variable.value)) throw bad("env");
      if (!["object", "undefined"].includes(typeof variable.valueFrom)) throw bad("env");
    }
    if (!named(volumeMounts ?? [])) throw bad("volumeMounts");
    if ((volumeMounts ?? []).some(({ mountPath }) => typeof mountPath !== "string")) {
      throw bad("volumeMounts");
    }
  }
  return pod;
}

function objects(list: unknown): boolean {
  return Array.isArray(list) && list.every((entry) => typeof entry === "object" && entry !== null);
}

function named(list: unknown): boolean {
  return (
    objects(list) && (list as { name: unknown }[]).every(({ name }) => typeof name === "string")
  );
}
