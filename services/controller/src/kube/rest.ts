import http from "node:http";
import https from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import {
  ApiError,
  type ApiServer,
  FIELD_MANAGER,
  type PatchKind,
  type Query,
  type WatchEvent,
} from "./api.ts";

const READ_TIMEOUT = 15_000;
/** Less than what lies between the end of a leader's term and the next leader's begin. */
const WRITE_TIMEOUT = 4_000;
/** The longest line of a watch, and the longest answer, that is taken. */
const LIMIT = 64 * 1024 * 1024;

const CONTENT_TYPE: Record<PatchKind, string> = {
  apply: "application/apply-patch+yaml",
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
};

/** Where the API server is and how one proves who one is: KUBECONFIG, or the service account. */
export function loadKubeConfig(env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  if (env.KUBECONFIG) config.loadFromFile(env.KUBECONFIG);
  else if (env.KUBERNETES_SERVICE_HOST) config.loadFromCluster();
  else {
    throw new Error("No API server: this is no pod, and KUBECONFIG names no file.");
  }
  return config;
}

/**
 * The API server over HTTP(S), as bare JSON. KubeConfig knows how to authenticate; its generated
 * client is left aside because it turns objects into classes (dates, renamed fields), and its
 * informer neither reconnects after an error nor notices a watch that went quiet.
 */
export class RestApi implements ApiServer {
  private readonly config: KubeConfig;
  private readonly base: URL;
  private readonly agent: http.Agent | https.Agent;

  constructor(config: KubeConfig) {
    const server = config.getCurrentCluster()?.server;
    if (!server) throw new Error("KUBECONFIG names no cluster.");
    this.config = config;
    this.base = new URL(server);
    const options = { keepAlive: true, maxFreeSockets: 4 };
    this.agent =
      this.base.protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
  }

  get<T>(path: string, query?: Query): Promise<T> {
    return this.call("GET", path, query);
  }

  create<T>(path: string, body: unknown): Promise<T> {
    return this.call("POST", path, { fieldManager: FIELD_MANAGER }, body);
  }

  update<T>(path: string, body: unknown): Promise<T> {
    return this.call("PUT", path, { fieldManager: FIELD_MANAGER }, body);
  }

  patch<T>(path: string, kind: PatchKind, body: unknown, query?: Query): Promise<T> {
    return this.call("PATCH", path, query, body, CONTENT_TYPE[kind]);
  }

  async delete(path: string, body?: unknown): Promise<void> {
    await this.call("DELETE", path, undefined, body);
  }

  async watch<T>(
    path: string,
    query: Query,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    // The server ends the watch by itself; the limit here is for one that went quiet.
    const seconds = 240 + Math.floor(Math.random() * 120);
    const limit = AbortSignal.any([signal, AbortSignal.timeout((seconds + 30) * 1000)]);
    const answer = await this.send(
      "GET",
      path,
      { ...query, watch: "true", allowWatchBookmarks: "true", timeoutSeconds: String(seconds) },
      undefined,
      undefined,
      limit,
    );
    if (answer.statusCode !== 200) throw await failure(answer);
    let rest = "";
    try {
      answer.setEncoding("utf8");
      for await (const chunk of answer as AsyncIterable<string>) {
        rest += chunk;
        let end = rest.indexOf("\n");
        while (end >= 0) {
          const line = rest.slice(0, end);
          rest = rest.slice(end + 1);
          if (line.trim() !== "") onEvent(JSON.parse(line) as WatchEvent<T>);
          end = rest.indexOf("\n");
        }
        if (rest.length > LIMIT) throw new Error("A line of a watch is too long.");
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private async call<T>(
    method: string,
    path: string,
    query?: Query,
    body?: unknown,
    contentType = "application/json",
  ): Promise<T> {
    const limit = AbortSignal.timeout(method === "GET" ? READ_TIMEOUT : WRITE_TIMEOUT);
    const answer = await this.send(method, path, query, body, contentType, limit);
    if ((answer.statusCode ?? 0) >= 300) throw await failure(answer);
    return JSON.parse(await read(answer)) as T;
  }

  private async send(
    method: string,
    path: string,
    query: Query | undefined,
    body: unknown,
    contentType: string | undefined,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    const options: https.RequestOptions = { headers: {} };
    await this.config.applyToHTTPSOptions(options);
    const headers = options.headers as http.OutgoingHttpHeaders;
    headers.accept = "application/json";
    const text = body === undefined ? undefined : JSON.stringify(body);
    if (text !== undefined) {
      headers["content-type"] = contentType;
      headers["content-length"] = Buffer.byteLength(text);
    }
    const url = new URL(this.base.pathname.replace(/\/$/, "") + path, this.base);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const request = url.protocol === "https:" ? https.request : http.request;
    return await new Promise((resolve, reject) => {
      const sent = request(
        url,
        { ...options, agent: this.agent, method, headers, signal },
        resolve,
      );
      sent.on("error", reject);
      sent.end(text);
    });
  }
}

async function read(answer: http.IncomingMessage): Promise<string> {
  answer.setEncoding("utf8");
  let text = "";
  for await (const chunk of answer as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LIMIT) throw new Error("An answer of the API server is too long.");
  }
  return text;
}

async function failure(answer: http.IncomingMessage): Promise<ApiError> {
  const status = answer.statusCode ?? 0;
  const text = await read(answer).catch(() => "");
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string };
    return new ApiError(status, reason ?? "", message ?? text);
  } catch {
    return new ApiError(status, "", text || `HTTP ${status}`);
  }
}
