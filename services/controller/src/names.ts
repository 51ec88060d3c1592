/** Names that users write or see; docs and chart use the same. */

const GROUP = "outsock.dev";

export const ANNOTATIONS = {
  mode: `${GROUP}/mode`,
  containers: `${GROUP}/containers`,
  nodeOptions: `${GROUP}/node-options`,
  noShortcut: `${GROUP}/no-shortcut`,
  /** Written by the webhook: what became of the pod. */
  status: `${GROUP}/status`,
  /** Written by uninstall into pod templates, so that their pods are made anew. */
  restartedAt: `${GROUP}/restarted-at`,
} as const;

export const LABELS = {
  inject: `${GROUP}/inject`,
  virtualMachine: `${GROUP}/virtual-machine`,
} as const;

export const FINALIZER = `${GROUP}/pods`;

export const CSI_DRIVER = `shm.${GROUP}`;
export const VOLUME = "outsock";
export const MOUNT_PATH = "/run/outsock";
const RUNTIME = `${MOUNT_PATH}/runtime/runtime.cjs`;
export const AGENT_SOCKET = `${MOUNT_PATH}/agent/agent.sock`;
export const REQUIRE = `--require ${RUNTIME}`;
