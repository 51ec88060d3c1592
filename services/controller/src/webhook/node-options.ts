import { REQUIRE } from "../names.ts";
import type { Container, EnvVar } from "../pods/types.ts";

const NAME = "NODE_OPTIONS";
const JOINED = "OUTSOCK_NODE_OPTIONS";

/**
 * The container's variables with the guest runtime in NODE_OPTIONS, before what is there already.
 *
 * What is there may be known only on the node: `valueFrom`, or a key of an `envFrom`. The kubelet
 * joins these, so that nobody here needs to read a ConfigMap or Secret: OUTSOCK_NODE_OPTIONS takes
 * the value, and NODE_OPTIONS names it by $(OUTSOCK_NODE_OPTIONS). A reference whose key may be
 * missing is optional, and stands after an entry of the same name with the value that holds then:
 * the kubelet goes through the list in order, the last entry that has a value counts, and $(X)
 * takes the value of the entries before it. (`envFrom` itself cannot be named by $(X).)
 *
 * `restated` is the image's NODE_OPTIONS by annotation: as in the image, a value of the pod's own
 * replaces it.
 */
export function joinNodeOptions(container: Container, restated: string | undefined): EnvVar[] {
  const env = (container.env ?? []).filter(({ name }) => name !== JOINED);
  const at = env.findLastIndex(({ name }) => name === NAME);
  const own = env[at];
  const fallback = { name: JOINED, value: restated === undefined ? "" : literal(restated) };
  const set = (value: string): EnvVar => ({ name: NAME, value: `${REQUIRE} ${value}`.trimEnd() });

  if (own?.valueFrom) {
    const { configMapKeyRef, secretKeyRef } = own.valueFrom;
    const optional = (configMapKeyRef ?? secretKeyRef)?.optional === true;
    const before = optional ? [fallback, ...fromSources(container)] : [];
    const joined = { name: JOINED, valueFrom: own.valueFrom };
    return env.toSpliced(at, 1, ...before, joined, set(`$(${JOINED})`));
  }
  if (own) return env.toSpliced(at, 1, set(own.value ?? ""));

  const sources = fromSources(container);
  if (sources.length > 0) return [...env, fallback, ...sources, set(`$(${JOINED})`)];
  return [...env, set(restated === undefined ? "" : literal(restated))];
}

/** Whether the runtime is in there already. */
export function hasRuntime(container: Container): boolean {
  return (
    container.env?.some(({ name, value }) => name === NAME && value?.startsWith(REQUIRE)) ?? false
  );
}

/** References to NODE_OPTIONS in each source of `envFrom`, in order: the last one counts. */
function fromSources({ envFrom = [] }: Container): EnvVar[] {
  return envFrom.flatMap(({ prefix = "", configMapRef, secretRef }): EnvVar[] => {
    const key = NAME.slice(prefix.length);
    if (!NAME.startsWith(prefix) || key === "") return [];
    if (configMapRef?.name) {
      const configMapKeyRef = { name: configMapRef.name, key, optional: true };
      return [{ name: JOINED, valueFrom: { configMapKeyRef } }];
    }
    if (secretRef?.name) {
      const secretKeyRef = { name: secretRef.name, key, optional: true };
      return [{ name: JOINED, valueFrom: { secretKeyRef } }];
    }
    return [];
  });
}

/** In a variable's value $(X) is expanded and $$ stands for $. */
function literal(text: string): string {
  return text.replaceAll("$(", "$$$$(");
}
