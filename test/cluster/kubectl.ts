/** kubectl and helm as a user runs them, with their errors as sentences. */
import { type ExecFileException, execFile, spawn } from "node:child_process";

export const ROOT = new URL("../..", import.meta.url).pathname;
const MAX_OUTPUT = 64 << 20;

interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  deletionTimestamp?: string;
  ownerReferences?: { kind: string; name: string }[];
}

/** Any object of the API; what a test reads of it, it names. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  // biome-ignore lint/suspicious/noExplicitAny: a manifest's shape is its kind's
  [field: string]: any;
}

class CommandFailed extends Error {
  override name = "CommandFailed";
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | undefined;

  constructor(command: string, error: ExecFileException, stdout: string, stderr: string) {
    const how = error.killed ? "took too long" : `ended with ${error.code}`;
    super(`${command.slice(0, 400)}: ${how}\n${stderr.slice(-2000)}${stdout.slice(-2000)}`);
    this.stdout = stdout;
    this.stderr = stderr;
    this.code = typeof error.code === "number" ? error.code : undefined;
  }
}

export interface RunOptions {
  input?: string;
  /** Milliseconds. */
  timeout?: number;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end; resolves with its standard output. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { input, timeout = 120_000, env } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      { timeout, maxBuffer: MAX_OUTPUT, cwd: ROOT, ...(env ? { env } : {}) },
      (error, stdout, stderr) => {
        if (error) reject(new CommandFailed([command, ...args].join(" "), error, stdout, stderr));
        else resolve(stdout);
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
  });
}

export const kubectl = (args: string[], options?: RunOptions): Promise<string> =>
  run("kubectl", args, options);

export const helm = (args: string[], options?: RunOptions): Promise<string> =>
  run("helm", args, { timeout: 600_000, ...options });

/** Applies objects, as `kubectl apply -f -`. */
export async function apply(...objects: KubeObject[]): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  await kubectl(["apply", "-f", "-"], { input: JSON.stringify(list) });
}

/** `kubectl get` of one object; undefined if there is none. */
export async function find(
  kind: string,
  name: string,
  namespace?: string,
): Promise<KubeObject | undefined> {
  const where = namespace === undefined ? [] : ["-n", namespace];
  const text = await kubectl(["get", kind, name, ...where, "--ignore-not-found", "-o", "json"]);
  return text.trim() === "" ? undefined : (JSON.parse(text) as KubeObject);
}

export async function get(kind: string, name: string, namespace?: string): Promise<KubeObject> {
  const found = await find(kind, name, namespace);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

/** `kubectl get` of many, by any further words: `-A`, `-l x=y`. */
export async function list(kind: string, ...words: string[]): Promise<KubeObject[]> {
  const text = await kubectl(["get", kind, ...words, "-o", "json"]);
  return (JSON.parse(text) as { items: KubeObject[] }).items;
}

/** A process that goes on, such as a port-forward: its output, and how to end it. */
export function start(command: string, args: string[]) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const began = { output: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      began.output = (began.output + text).slice(-1_000_000);
    });
  }
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  return {
    output: () => began.output,
    ended,
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
