/** Questions to the agent: one line of JSON each way (packages/vrpc/README.md, Handshake). */
import { createConnection } from "node:net";
import type { Refusal, Request } from "@outsock/vrpc";
import { EXIT, Failure } from "./failure.ts";

/** Nobody listens on the agent's socket. */
export class NoAgent extends Error {}

/** An agent that is alive answers in no time; one that is stopped never does. */
const ANSWER_TIMEOUT = 5_000;

/**
 * @param exitCode of failures
 * @throws NoAgent; Failure when the agent refuses or does not answer
 */
export function ask<Reply extends { ok: true }>(
  path: string,
  request: Request,
  exitCode: number = EXIT.FAILED,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = createConnection(path);
    socket.setEncoding("utf8");
    socket.setTimeout(ANSWER_TIMEOUT, () => {
      const sentence = `the agent on ${path} does not answer within ${ANSWER_TIMEOUT / 1000} s`;
      reject(new Failure(sentence, exitCode));
      socket.destroy();
    });
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") reject(new NoAgent());
      else {
        reject(new Failure(`cannot talk to the agent on ${path}: ${error.message}`, exitCode));
      }
    });
    socket.on("close", () => {
      try {
        const reply = JSON.parse(text) as Reply | Refusal;
        if (reply.ok) resolve(reply);
        else reject(new Failure(reply.error, exitCode));
      } catch {
        reject(new Failure(`the agent on ${path} gave no answer`, exitCode));
      }
    });
  });
}
