import { Agent, type IncomingMessage, request } from "node:http";

/** The application tier refused an action; the message is a sentence for the user. */
export class SorryError extends Error {
  override readonly name = "SorryError";
}

/** The application tier cannot be reached (502) or is without its database (503). */
export class UnavailableError extends Error {
  readonly status: 502 | 503;

  constructor(status: 502 | 503, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "UnavailableError";
    this.status = status;
  }
}

export interface Application {
  get: <T>(path: string) => Promise<T>;
  post: <T>(path: string, body: object) => Promise<T>;
  close: () => void;
}

/** An answer is a page's worth of rows; more than this is not from our application tier. */
const maxAnswer = 64 * 1024 * 1024;
const timeoutMs = 30_000;

interface Answer {
  status: number;
  body: string;
}

function collect(response: IncomingMessage): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxAnswer) response.destroy(new Error("the answer is too long"));
    });
    response.on("end", () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      resolve({ status: response.statusCode ?? 0, body: String(body) });
    });
    response.on("error", reject);
    response.on("aborted", () => reject(new Error("the answer broke off")));
  });
}

function parse<T>({ status, body }: Answer): T {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (e) {
    throw new UnavailableError(502, `the application answered ${status} without JSON`, e);
  }
  if (status === 200) return value as T;
  const error = (value as { error?: { message?: unknown } } | null)?.error;
  const message = typeof error?.message === "string" ? error.message : `status ${status}`;
  if (status >= 400 && status < 500) throw new SorryError(message);
  throw new UnavailableError(status === 503 ? 503 : 502, message);
}

/** The application tier over HTTP, with connections that are kept. */
export function connectApplication(base: URL): Application {
  // Idle connections go before the application closes them (75 s): no request meets a closed one.
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 256,
    timeout: timeoutMs,
    scheduling: "lifo",
  });
  const prefix = base.pathname.replace(/\/$/, "");
  const hostname = base.hostname.replace(/^\[|\]$/g, "");
  const port = base.port || 80;

  function send(method: "GET" | "POST", path: string, body: string | null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers =
        body === null
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const outgoing = request({ agent, hostname, port, method, path: prefix + path, headers });
      // The agent's timeout, on the socket.
      outgoing.on("timeout", () => {
        outgoing.destroy(new Error(`no answer in ${timeoutMs / 1000} s`));
      });
      outgoing.on("response", (response) => {
        collect(response).then(resolve, reject);
      });
      outgoing.on("error", (e: NodeJS.ErrnoException) => {
        // A kept connection that the application closed as it stopped: a read may be asked again.
        if (method === "GET" && outgoing.reusedSocket && e.code === "ECONNRESET")
          send(method, path, body).then(resolve, reject);
        else reject(e);
      });
      outgoing.end(body ?? undefined);
    });
  }

  async function ask<T>(method: "GET" | "POST", path: string, body: string | null): Promise<T> {
    let answer: Answer;
    try {
      answer = await send(method, path, body);
    } catch (e) {
      throw new UnavailableError(502, "the application cannot be reached", e);
    }
    return parse<T>(answer);
  }

  return {
    get: (path) => ask("GET", path, null),
    post: (path, body) => ask("POST", path, JSON.stringify(body)),
    close: () => agent.destroy(),
  };
}
