import type { Container } from "../src/pods/types.ts";

type Objects = Record<string, Record<string, string>>;

/**
 * What a container's environment becomes: kubelet's makeEnvironmentVariables
 * (pkg/kubelet/kubelet_pods.go) for the sources that are used here. Throws where the kubelet would
 * not start the container.
 */
export function kubeletEnv(
  { env = [], envFrom = [] }: Container,
  configMaps: Objects = {},
  secrets: Objects = {},
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const { prefix = "", configMapRef, secretRef } of envFrom) {
    const data = configMapRef ? configMaps[configMapRef.name!] : secrets[secretRef!.name!];
    if (!data && !(configMapRef ?? secretRef)!.optional)
      throw new Error("CreateContainerConfigError");
    for (const [key, value] of Object.entries(data ?? {})) result[prefix + key] = value;
  }
  const before: Record<string, string> = {};
  for (const { name, value, valueFrom } of env) {
    let text = value ?? "";
    if (text !== "") text = expand(text, before);
    else if (valueFrom) {
      const { configMapKeyRef, secretKeyRef, fieldRef } = valueFrom;
      if (fieldRef) text = "field";
      else {
        const ref = (configMapKeyRef ?? secretKeyRef)!;
        const found = (configMapKeyRef ? configMaps : secrets)[ref.name!]?.[ref.key!];
        if (found === undefined) {
          if (ref.optional) continue;
          throw new Error("CreateContainerConfigError");
        }
        text = found;
      }
    }
    result[name] = text;
    before[name] = text;
  }
  return result;
}

/** third_party/forked/golang/expansion: $(X), and $$ for $. */
function expand(text: string, values: Record<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) =>
    name === undefined ? "$" : (values[name] ?? match),
  );
}
