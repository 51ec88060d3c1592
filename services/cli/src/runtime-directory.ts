/** The directory of one user's agent: its socket, its lock, its log. */
import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { EXIT, Failure } from "./failure.ts";

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

/** Longest path of a unix socket (unix(7)); Node cuts a longer one off without a word. */
const SOCKET_PATH_MAX = 107;

function make(directory: string): void {
  try {
    // Not `recursive` where it is not needed: on some file systems Node never comes back from it.
    const recursive = !existsSync(dirname(directory));
    mkdirSync(directory, { recursive, mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * Makes the directory, for this user alone.
 * @param exitCode of the failure
 * @throws Failure when it cannot be, belongs to somebody else or others may write to it
 */
export function agentPaths(exitCode: number = EXIT.FAILED): AgentPaths {
  const directory = directoryPath();
  const socket = join(directory, "agent.sock");
  if (Buffer.byteLength(socket) > SOCKET_PATH_MAX) {
    throw new Failure(
      `the path ${socket} is longer than a socket's may be (${SOCKET_PATH_MAX} bytes); ` +
        "set OUTSOCK_RUNTIME_DIR to a shorter one",
      exitCode,
    );
  }
  try {
    make(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(
      `cannot make the directory ${directory} (${code}); set OUTSOCK_RUNTIME_DIR`,
      exitCode,
    );
  }
  const stat = lstatSync(directory);
  const uid = process.getuid?.() ?? 0;
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o022) !== 0) {
    throw new Failure(
      `${directory} must be a directory of user ${uid} that nobody else can write to; ` +
        "remove it or set OUTSOCK_RUNTIME_DIR",
      exitCode,
    );
  }
  return {
    directory,
    socket,
    lock: join(directory, "agent.lock"),
    log: join(directory, "agent.log"),
  };
}
