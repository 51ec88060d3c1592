import { Client, type Dispatcher } from "undici";

/** A complete answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly bytes: number;
}

/** A request without an answer for this long has failed. */
const ANSWER_TIMEOUT_MS = 30_000;

/**
 * One emulated browser: one connection, kept alive. undici's `dispatch` is used instead of
 * `request` because the load generator shares the processors with what it measures.
 */
export class HttpClient {
  readonly #client: Client;

  constructor(origin: string) {
    this.#client = new Client(origin, {
      pipelining: 1,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      connect: { timeout: ANSWER_TIMEOUT_MS },
    });
  }

  get(path: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      let status = 0;
      let bytes = 0;
      const chunks: Buffer[] = [];
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: (_controller, chunk) => {
          bytes += chunk.length;
          chunks.push(chunk);
        },
        onResponseEnd: () => {
          const [first] = chunks;
          const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
          resolve({ status, body: body.toString(), bytes });
        },
        onResponseError: (_controller, error) => reject(error),
      };
      this.#client.dispatch({ method: "GET", path }, handler);
    });
  }

  /** Drops the connection; a request under way fails. */
  async destroy(): Promise<void> {
    await this.#client.destroy();
  }
}
