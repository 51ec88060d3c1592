/** Manifests of test pods: small, and within the Pod Security level `restricted`. */
import { NODE } from "./images.ts";
import { type KubeObject, kubectl } from "./kubectl.ts";
import { until } from "./until.ts";

export interface PodOptions {
  /** As the annotation says; none: no annotation. */
  mode?: "outsourced" | "native";
  /** A CommonJS program, instead of a command. */
  script?: string;
  command?: string[];
  image?: string;
  /** Where it listens: the readiness probe. */
  port?: number;
  node?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  env?: object[];
  envFrom?: object[];
  /** Into the pod's spec, and into its container's. */
  spec?: Record<string, unknown>;
  container?: Record<string, unknown>;
  /** Seconds until it is killed. */
  grace?: number;
}

/** Waits to be told what to do by `exec`. */
export const IDLE = `process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1e6);`;
/** Answers with its name, where it was reached, and who asked. */
export const HELLO = `
  const server = require("node:http").createServer(({ socket }, response) => response.end(
    [require("node:os").hostname(), socket.localAddress, socket.remoteAddress].join(" ")));
  server.listen(8080);
  process.on("SIGTERM", () => process.exit(0));`;
/** Sends back what comes. */
export const ECHO = `
  require("node:net").createServer((socket) => socket.pipe(socket).on("error", () => {})).listen(7000);
  process.on("SIGTERM", () => process.exit(0));`;

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
};

export function container(name: string, options: PodOptions): Record<string, unknown> {
  const { script, port } = options;
  const command = script === undefined ? options.command : ["node", "-e", script];
  return {
    name,
    image: options.image ?? NODE,
    imagePullPolicy: "IfNotPresent",
    ...(command ? { command } : {}),
    ...(options.env ? { env: options.env } : {}),
    ...(options.envFrom ? { envFrom: options.envFrom } : {}),
    ...(port === undefined
      ? {}
      : {
          ports: [{ name: "main", containerPort: port }],
          readinessProbe: { tcpSocket: { port }, periodSeconds: 1, timeoutSeconds: 5 },
        }),
    securityContext: RESTRICTED,
    resources: { requests: { cpu: "5m", memory: "32Mi" } },
    ...options.container,
  };
}

/** What pods and templates have in common. */
function template(name: string, options: PodOptions) {
  const { mode } = options;
  return {
    metadata: {
      name,
      labels: { test: name, ...options.labels },
      annotations: { ...(mode ? { "outsock.dev/mode": mode } : {}), ...options.annotations },
    },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: options.grace ?? 5,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...(options.node ? { nodeSelector: { "kubernetes.io/hostname": options.node } } : {}),
      containers: [container("main", options)],
      ...options.spec,
    },
  };
}

export function pod(namespace: string, name: string, options: PodOptions): KubeObject {
  const made = template(name, options);
  return { apiVersion: "v1", kind: "Pod", ...made, metadata: { namespace, ...made.metadata } };
}

export function deployment(
  namespace: string,
  name: string,
  options: PodOptions & { replicas?: number },
): KubeObject {
  const made = template(name, options);
  const { name: _, ...metadata } = made.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace, name },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { test: name } },
      template: { metadata, spec: made.spec },
    },
  };
}

export function service(
  namespace: string,
  name: string,
  port: number,
  spec: Record<string, unknown> = {},
): KubeObject {
  const ports = [{ name: "main", port, targetPort: port }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { selector: { test: name }, ports, ...spec },
  };
}

export async function podReady(namespace: string, ...names: string[]): Promise<void> {
  const pods = names.map((name) => `pod/${name}`);
  const words = ["-n", namespace, "wait", "--for=condition=Ready", "--timeout=180s", ...pods];
  await until("pods exist", () => kubectl(["-n", namespace, "get", ...pods]), { timeout: 30_000 });
  await kubectl(words, { timeout: 190_000 });
}

export async function rolledOut(namespace: string, ...names: string[]): Promise<void> {
  for (const name of names) {
    const words = ["-n", namespace, "rollout", "status", `deployment/${name}`, "--timeout=240s"];
    await kubectl(words, { timeout: 250_000 });
  }
}

/** Runs a command in a pod: a guest process, if it is `node` and the pod is a guest. */
export const exec = (namespace: string, name: string, ...command: string[]): Promise<string> =>
  kubectl(["-n", namespace, "exec", name, "--", ...command]);

/** Runs a program, an ES module, in a pod. */
export const node = async (namespace: string, name: string, script: string): Promise<string> =>
  (await exec(namespace, name, "node", "--input-type=module", "-e", script)).trim();

export const logs = (namespace: string, name: string): Promise<string> =>
  kubectl(["-n", namespace, "logs", name, "--all-containers"]);

/** Asks for a page in a pod; what fails is a text too. */
export const fetchIn = (namespace: string, name: string, url: string): Promise<string> =>
  node(
    namespace,
    name,
    `console.log(await fetch("${url}", { signal: AbortSignal.timeout(5000) })
      .then((r) => r.text(), (e) => "failed: " + (e.cause?.code ?? e.name)))`,
  );
