import type { PodSpec } from "./manifests.ts";

/** The volume types of the Pod Security level "restricted". */
const VOLUMES = [
  ...["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"],
  ...["persistentVolumeClaim", "projected", "secret"],
];

/** What the Pod Security level "restricted" would refuse of a pod. */
export function restrictedViolations(spec: PodSpec): string[] {
  const found: string[] = [];
  for (const host of ["hostPID", "hostNetwork", "hostIPC"] as const)
    if (spec[host]) found.push(host);
  for (const { name, ...source } of spec.volumes ?? [])
    for (const type of Object.keys(source))
      if (!VOLUMES.includes(type)) found.push(`volume ${name}: ${type}`);
  const pod = spec.securityContext ?? {};
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const context = container.securityContext ?? {};
    const refuse = (what: string) => found.push(`container ${container.name}: ${what}`);
    if (context.privileged) refuse("privileged");
    if (context.allowPrivilegeEscalation !== false) refuse("allowPrivilegeEscalation");
    if (!context.capabilities?.drop?.includes("ALL")) refuse("capabilities.drop lacks ALL");
    for (const added of context.capabilities?.add ?? [])
      if (added !== "NET_BIND_SERVICE") refuse(`capability ${added}`);
    if (!(context.runAsNonRoot ?? pod.runAsNonRoot)) refuse("runAsNonRoot");
    const seccomp = (context.seccompProfile ?? pod.seccompProfile)?.type;
    if (seccomp !== "RuntimeDefault" && seccomp !== "Localhost") refuse("seccompProfile");
  }
  return found;
}
