/** Questions to the agent: one line of JSON each way (packages/vrpc/README.md, Handshake). */
import { createConnection } from "node:net";
import type { Refusal, Request } from "@outsock/vrpc";
import { Failure } from "./failure.ts";

/** Nobody listens on the agent's socket. */
export class NoAgent extends Error {}

/** @throws NoAgent; Failure when the agent refuses */
export function ask<Reply extends { ok: true }>(path: string, request: Request): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = createConnection(path);
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") reject(new NoAgent());
      else reject(new Failure(`cannot talk to the agent on ${path}: ${error.message}`));
    });
    socket.on("close", () => {
      try {
        const reply = JSON.parse(text) as Reply | Refusal;
        if (reply.ok) resolve(reply);
        else reject(new Failure(reply.error));
      } catch {
        reject(new Failure(`the agent on ${path} gave no answer`));
      }
    });
  });
}
