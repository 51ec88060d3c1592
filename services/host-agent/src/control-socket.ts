/**
 * The agent's control socket: the volume driver says here which pods want guests. One line of
 * JSON each way; only the agent's own user and root are heard.
 */
import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { peerCredentials } from "@outsock/hostsys";
import { HANDSHAKE_MAX_BYTES } from "@outsock/vrpc";
import type { AgentLog } from "./agent-log.ts";
import { Refused } from "./region-memory.ts";
import { fdOf } from "./tcp-handle.ts";

/** Answers a request with an object; refuses by Refused. */
export type ControlHandler = (request: Record<string, unknown>) => Promise<object> | object;

const REQUEST_TIMEOUT = 5000;

function parse(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // As what is no object.
  }
  throw new Refused("EINVAL", "the request is no JSON object");
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = Buffer.alloc(0);
    socket.on("data", (data: Buffer) => {
      line = Buffer.concat([line, data]);
      const end = line.indexOf(10);
      if (end !== -1) resolve(line.subarray(0, end).toString("utf8"));
      else if (line.length > HANDSHAKE_MAX_BYTES) reject(new Refused("E2BIG", "too long"));
    });
    socket.once("close", () => reject(new Refused("ECONNRESET", "no whole line came")));
  });
}

export class ControlSocket {
  private readonly server: Server;
  private readonly handler: ControlHandler;
  private readonly log: AgentLog;

  constructor(handler: ControlHandler, log: AgentLog) {
    this.handler = handler;
    this.log = log;
    this.server = createServer((socket) => void this.answer(socket));
  }

  async listen(path: string): Promise<void> {
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(path, resolve);
    });
    await chmod(path, 0o600);
  }

  close(): void {
    this.server.close();
  }

  private async answer(socket: Socket): Promise<void> {
    socket.on("error", () => {});
    socket.setTimeout(REQUEST_TIMEOUT, () => socket.destroy());
    let reply: object;
    try {
      const { uid } = peerCredentials(fdOf(socket));
      if (uid !== 0 && uid !== process.getuid?.()) {
        throw new Refused("EACCES", `the agent takes no orders of user ${uid}`);
      }
      reply = { ok: true, ...(await this.handler(parse(await readLine(socket)))) };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.log.warn({ code }, `control request failed: ${message}`);
      reply = { ok: false, code: code ?? "EIO", error: message };
    }
    socket.end(`${JSON.stringify(reply)}\n`);
  }
}
