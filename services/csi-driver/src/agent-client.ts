/** The agent's control socket: one line of JSON each way. */
import { createConnection } from "node:net";
import { status } from "@grpc/grpc-js";
import { CsiError } from "./errors.ts";

const ANSWER_TIMEOUT = 5000;
const ANSWER_MAX = 4 * 1024 * 1024;

export interface Pod {
  uid: string;
  name: string;
  namespace: string;
  serviceAccount: string;
  volumeId: string;
}

interface Reply {
  ok: boolean;
  error?: string;
  code?: string;
  pods?: Pod[];
}

export class AgentClient {
  private readonly path: string;
  private readonly node: string;

  constructor(path: string, node: string) {
    this.path = path;
    this.node = node;
  }

  /** The agent listens for the pod from then on. @throws CsiError */
  async pod(pod: Pod): Promise<void> {
    await this.ask({ request: "pod", ...pod });
  }

  /** @throws CsiError */
  async podGone(uid: string): Promise<void> {
    await this.ask({ request: "pod-gone", uid });
  }

  /** @throws CsiError */
  async pods(): Promise<Pod[]> {
    return (await this.ask({ request: "pods" })).pods ?? [];
  }

  private silent(reason: string): CsiError {
    return new CsiError(
      status.UNAVAILABLE,
      `the Outsock host agent on node ${this.node} does not answer: ${reason}; the pod waits for ` +
        "it (is the agent's DaemonSet pod on this node running?)",
    );
  }

  private ask(request: object): Promise<Reply> {
    return new Promise((resolve, reject) => {
      let text = "";
      const socket = createConnection(this.path);
      socket.setEncoding("utf8");
      const deadline = setTimeout(() => {
        reject(this.silent(`nothing came within ${ANSWER_TIMEOUT / 1000} s`));
        socket.destroy();
      }, ANSWER_TIMEOUT);
      socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
      socket.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_MAX) socket.destroy();
      });
      socket.on("error", (error) => reject(this.silent(error.message)));
      socket.on("close", () => {
        clearTimeout(deadline);
        let reply: Reply;
        try {
          reply = JSON.parse(text) as Reply;
        } catch {
          reject(this.silent("it hung up"));
          return;
        }
        if (reply.ok) resolve(reply);
        else {
          const sentence = `the Outsock host agent on node ${this.node} refuses: ${reply.error}`;
          reject(new CsiError(status.FAILED_PRECONDITION, sentence));
        }
      });
    });
  }
}
