import { isMode, MODES, type Mode, NATIVE } from "@outsock/abi";
import { AGENT_SOCKET, ANNOTATIONS, CSI_DRIVER, LABELS, MOUNT_PATH, VOLUME } from "../names.ts";
import type { Container, Pod } from "../pods/types.ts";
import { hasRuntime, joinNodeOptions } from "./node-options.ts";

type Operation =
  | { op: "add" | "replace"; path: string; value: unknown }
  | { op: "remove"; path: string };

/**
 * - `untouched`: the pod asks for nothing
 * - `refused`: it asks for something that does not exist
 * - `native`: it asks to be a guest and cannot be one; it runs as it is, and says so
 * - `guest`: it becomes one (an empty patch: it is one already)
 */
export type Outcome =
  | { outcome: "untouched" }
  | { outcome: "refused"; message: string }
  | { outcome: "native"; reason: string; patch: Operation[] }
  | { outcome: "guest"; mode: Mode; patch: Operation[] };

/**
 * What is to be done with a pod that is being made. Called again on its own result it changes
 * nothing, and containers that another webhook added meanwhile become guests too.
 */
export function inject(pod: Pod): Outcome {
  const annotations = pod.metadata.annotations ?? {};
  const mode = annotations[ANNOTATIONS.mode];
  if (mode === undefined || pod.metadata.labels?.[LABELS.inject] === "disabled") {
    return { outcome: "untouched" };
  }
  if (!isMode(mode)) {
    const message = `annotation ${ANNOTATIONS.mode}: "${mode}" is no mode; it may be ${MODES.join(" or ")}`;
    return { outcome: "refused", message };
  }
  if (mode === NATIVE) return { outcome: "untouched" };
  const noShortcut = annotations[ANNOTATIONS.noShortcut];
  if (noShortcut !== undefined && noShortcut !== "true" && noShortcut !== "false") {
    const message = `annotation ${ANNOTATIONS.noShortcut}: "${noShortcut}" is neither "true" nor "false"`;
    return { outcome: "refused", message };
  }

  const chosen = choose(pod);
  const reason = obstacle(pod, chosen);
  if (reason !== undefined) {
    return { outcome: "native", reason, patch: annotate(pod, `native: ${reason}`) };
  }
  const patch: Operation[] = [];
  if (!pod.spec.volumes?.some(isOurs)) {
    const volume = { name: VOLUME, csi: { driver: CSI_DRIVER } };
    patch.push(
      pod.spec.volumes
        ? { op: "add", path: "/spec/volumes/-", value: volume }
        : { op: "add", path: "/spec/volumes", value: [volume] },
    );
  }
  for (const { container, path } of chosen.containers) {
    patch.push(...injectInto(container, path, annotations, noShortcut === "true"));
  }
  patch.push(...annotate(pod, [mode, ...chosen.unknown.map(noSuchContainer)].join("; ")));
  return { outcome: "guest", mode, patch };
}

interface Chosen {
  containers: { container: Container; path: string }[];
  /** Names in the annotation that no container has. */
  unknown: string[];
}

function choose({ metadata, spec }: Pod): Chosen {
  const list = (field: "containers" | "initContainers") =>
    (spec[field] ?? []).map((container, i) => ({ container, path: `/spec/${field}/${i}` }));
  const names = metadata.annotations?.[ANNOTATIONS.containers];
  if (names === undefined) return { containers: list("containers"), unknown: [] };
  const wanted = new Set(
    names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
  );
  const containers = [...list("containers"), ...list("initContainers")].filter(({ container }) =>
    wanted.has(container.name),
  );
  for (const { container } of containers) wanted.delete(container.name);
  return { containers, unknown: [...wanted].slice(0, 8) };
}

function noSuchContainer(name: string): string {
  return `no container is called ${name.slice(0, 63)}`;
}

/** Why the pod cannot be a guest. */
function obstacle({ spec }: Pod, { containers, unknown }: Chosen): string | undefined {
  if (spec.os?.name === "windows" || spec.nodeSelector?.["kubernetes.io/os"] === "windows") {
    return "it is for Windows nodes";
  }
  if (spec.hostNetwork) return "it uses the node's network (hostNetwork)";
  if (spec.volumes?.some((volume) => volume.name === VOLUME && !isOurs(volume))) {
    return `its volume name ${VOLUME} is taken`;
  }
  for (const { container } of containers) {
    const taken = container.volumeMounts?.find(
      ({ name, mountPath }) =>
        name !== VOLUME && `${mountPath.replace(/\/+$/, "")}/`.startsWith(`${MOUNT_PATH}/`),
    );
    if (taken) return `container ${container.name} mounts something else at ${taken.mountPath}`;
  }
  if (containers.length > 0) return undefined;
  const why = unknown.map(noSuchContainer).join("; ");
  return `annotation ${ANNOTATIONS.containers} chooses no container${why ? `: ${why}` : ""}`;
}

function isOurs(volume: { name: string; csi?: { driver: string } }): boolean {
  return volume.name === VOLUME && volume.csi?.driver === CSI_DRIVER;
}

function injectInto(
  container: Container,
  path: string,
  annotations: Record<string, string>,
  noShortcut: boolean,
): Operation[] {
  const patch: Operation[] = [];
  const set = (field: "env" | "volumeMounts", value: unknown) =>
    patch.push({ op: container[field] ? "replace" : "add", path: `${path}/${field}`, value });
  if (!container.volumeMounts?.some(({ name }) => name === VOLUME)) {
    const mount = { name: VOLUME, mountPath: MOUNT_PATH, readOnly: true };
    set("volumeMounts", [...(container.volumeMounts ?? []), mount]);
  }
  if (hasRuntime(container)) return patch;
  const guest = {
    agent: AGENT_SOCKET,
    pod: true,
    container: container.name,
    ...(noShortcut ? { shortcut: false } : {}),
  };
  const joined = joinNodeOptions(container, annotations[ANNOTATIONS.nodeOptions]);
  set("env", [
    ...joined.filter(({ name }) => name !== "OUTSOCK_GUEST"),
    { name: "OUTSOCK_GUEST", value: JSON.stringify(guest) },
  ]);
  return patch;
}

function annotate({ metadata }: Pod, status: string): Operation[] {
  const { annotations } = metadata;
  if (annotations?.[ANNOTATIONS.status] === status) return [];
  // There are annotations: one of them asked for the mode.
  const path = `/metadata/annotations/${ANNOTATIONS.status.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return [{ op: "add", path, value: status }];
}
