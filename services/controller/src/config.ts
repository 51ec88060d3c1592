import { hostname } from "node:os";
import { parseArgs } from "node:util";

export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Settings by flag, or by the variable of the same name: `--guest-image`, OUTSOCK_GUEST_IMAGE. */
const SETTINGS = {
  namespace: { required: true },
  "pod-name": { default: hostname() },
  "guest-image": { required: true },
  "webhook-configuration": { default: "outsock" },
  "webhook-service": { default: "outsock-controller" },
  "certificate-secret": { default: "outsock-controller-certificate" },
  lease: { default: "outsock-controller" },
  "agent-selector": { default: "app.kubernetes.io/component=agent" },
  "agent-port": { default: "9110" },
  "webhook-port": { default: "9443" },
  "http-port": { default: "9111" },
  "log-level": { default: "info" },
  "controller-deployment": { default: "outsock-controller" },
  "uninstall-timeout": { default: "300" },
  "keep-virtual-machines": { default: "false" },
  "excluded-namespaces": { default: "kube-system" },
} as const satisfies Record<string, { default: string } | { required: true }>;

type Name = keyof typeof SETTINGS;

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

export interface ControllerConfig {
  namespace: string;
  podName: string;
  guestImage: string;
  webhookConfiguration: string;
  /** Names by which the API server calls the webhook's Service. */
  webhookNames: string[];
  certificateSecret: string;
  lease: string;
  /** Namespaces that the webhook never sees, by the release's values. */
  excludedNamespaces: string[];
  agentLabel: { name: string; value: string };
  agentPort: number;
  webhookPort: number;
  httpPort: number;
  logLevel: string;
}

export interface UninstallConfig {
  namespace: string;
  podName: string;
  webhookConfiguration: string;
  controllerDeployment: string;
  timeoutMs: number;
  /** The resource stays behind, so VirtualMachines do, and their Deployments. */
  keepVirtualMachines: boolean;
  logLevel: string;
}

export function readControllerConfig(args: string[], env: NodeJS.ProcessEnv): ControllerConfig {
  const get = settings(args, env);
  const namespace = get("namespace");
  const service = get("webhook-service");
  return {
    namespace,
    podName: get("pod-name"),
    guestImage: get("guest-image"),
    webhookConfiguration: get("webhook-configuration"),
    webhookNames: [
      `${service}.${namespace}.svc`,
      `${service}.${namespace}.svc.cluster.local`,
      `${service}.${namespace}`,
    ],
    certificateSecret: get("certificate-secret"),
    lease: get("lease"),
    excludedNamespaces: get("excluded-namespaces").split(","),
    agentLabel: label("agent-selector", get("agent-selector")),
    agentPort: number("agent-port", get("agent-port"), 1, 65535),
    webhookPort: number("webhook-port", get("webhook-port"), 0, 65535),
    httpPort: number("http-port", get("http-port"), 0, 65535),
    logLevel: logLevel(get("log-level")),
  };
}

export function readUninstallConfig(args: string[], env: NodeJS.ProcessEnv): UninstallConfig {
  const get = settings(args, env);
  return {
    namespace: get("namespace"),
    podName: get("pod-name"),
    webhookConfiguration: get("webhook-configuration"),
    controllerDeployment: get("controller-deployment"),
    timeoutMs: number("uninstall-timeout", get("uninstall-timeout"), 1, 86_400) * 1000,
    keepVirtualMachines: boolean("keep-virtual-machines", get("keep-virtual-machines")),
    logLevel: logLevel(get("log-level")),
  };
}

function settings(args: string[], env: NodeJS.ProcessEnv): (name: Name) => string {
  let values: Record<string, string | boolean | undefined>;
  try {
    const options = Object.fromEntries(
      Object.keys(SETTINGS).map((name) => [name, { type: "string" as const }]),
    );
    values = parseArgs({ args, options, allowPositionals: false }).values;
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
  return (name) => {
    const given = (values[name] as string | undefined) ?? env[variable(name)];
    if (given !== undefined && given !== "") return given;
    const setting: { default?: string; required?: true } = SETTINGS[name];
    if (setting.default !== undefined) return setting.default;
    throw new ConfigError(`${variable(name)} (or --${name}) is missing.`);
  };
}

function variable(name: string): string {
  return `OUTSOCK_${name.toUpperCase().replaceAll("-", "_")}`;
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new ConfigError(
    `${variable(name)} is "${text}"; it must be a whole number from ${least} to ${most}.`,
  );
}

function boolean(name: string, text: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw new ConfigError(`${variable(name)} is "${text}"; it must be true or false.`);
}

function label(name: string, text: string): { name: string; value: string } {
  const match = /^([^=,\s]+)=([^=,\s]*)$/.exec(text);
  if (match) return { name: match[1]!, value: match[2]! };
  throw new ConfigError(`${variable(name)} is "${text}"; it must be one label, key=value.`);
}

function logLevel(text: string): string {
  if (LOG_LEVELS.includes(text)) return text;
  throw new ConfigError(`OUTSOCK_LOG_LEVEL is "${text}"; it may be ${LOG_LEVELS.join(", ")}.`);
}
