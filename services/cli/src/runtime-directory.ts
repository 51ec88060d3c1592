/** The directory of one user's agent: its socket, its lock, its log. */
import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "./failure.ts";

export interface AgentPaths {
  directory: string;
  socket: string;
  lock: string;
  log: string;
}

/** $OUTSOCK_RUNTIME_DIR, $XDG_RUNTIME_DIR/outsock, or a directory of the user's own in /tmp. */
function directoryPath(): string {
  const { OUTSOCK_RUNTIME_DIR: own, XDG_RUNTIME_DIR: xdg } = process.env;
  if (own !== undefined && own !== "") return own;
  if (xdg !== undefined && xdg !== "") return join(xdg, "outsock");
  return join(tmpdir(), `outsock-${process.getuid?.() ?? 0}`);
}

/**
 * Makes the directory, for this user alone.
 * @throws Failure when it belongs to somebody else or others may write to it
 */
export function agentPaths(): AgentPaths {
  const directory = directoryPath();
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(`cannot make the directory ${directory} (${code}); set OUTSOCK_RUNTIME_DIR`);
  }
  const stat = lstatSync(directory);
  const uid = process.getuid?.() ?? 0;
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o022) !== 0) {
    throw new Failure(
      `${directory} must be a directory of user ${uid} that nobody else can write to; ` +
        "remove it or set OUTSOCK_RUNTIME_DIR",
    );
  }
  return {
    directory,
    socket: join(directory, "agent.sock"),
    lock: join(directory, "agent.lock"),
    log: join(directory, "agent.log"),
  };
}
