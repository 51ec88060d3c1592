import { randomInt } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { Engine } from "./engine/engine.ts";
import { Session } from "./session/session.ts";
import { Settings } from "./session/settings.ts";
import { BackendWriter } from "./wire/backend.ts";
import { PgError } from "./wire/errors.ts";
import { decodeStartup, Framer } from "./wire/frontend.ts";

export interface DatabaseServer {
  server: Server;
  /** Ends all sessions with 57P01 and stops listening. */
  close: () => Promise<void>;
}

export interface ServerOptions {
  maxConnections?: number;
  startupTimeoutMs?: number;
}

/**
 * A PostgreSQL server over an engine; it does not listen yet. Every user and database name is
 * taken and no password asked ("trust"): it belongs on loopback or behind a network policy.
 */
export function buildServer(engine: Engine, options: ServerOptions = {}): DatabaseServer {
  const { maxConnections = 200, startupTimeoutMs = 30_000 } = options;
  const sessions = new Map<number, { session: Session; secret: number }>();
  const sockets = new Set<Socket>();
  let lastPid = 0;

  /** Pid and secret are the key that CancelRequest must name. */
  function startSession(socket: Socket, framer: Framer, parameters: Map<string, string>): Session {
    const out = new BackendWriter();
    const settings = new Settings();
    if (!parameters.get("user"))
      throw new PgError(
        "invalid_authorization_specification",
        "no PostgreSQL user name specified in startup packet",
        {},
        true,
      );
    if (sessions.size >= maxConnections)
      throw new PgError("too_many_connections", "sorry, too many clients already", {}, true);
    settings.startup(parameters);
    const pid = ++lastPid;
    const secret = randomInt(2 ** 31);
    const unknown = [...parameters.keys()].filter((name) => name.startsWith("_pq_."));
    if (unknown.length > 0) out.negotiateProtocolVersion(unknown);
    out.authenticationOk();
    for (const { name, value } of settings.report()) out.parameterStatus(name, value);
    out.backendKeyData(pid, secret);
    const session = new Session(socket, engine, framer, settings, out);
    sessions.set(pid, { session, secret });
    socket.once("close", () => sessions.delete(pid));
    return session;
  }

  const server = createServer({ noDelay: true }, (socket) => {
    const framer = new Framer();
    let session: Session | null = null;
    let refused = false;
    sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), startupTimeoutMs).unref();
    socket.on("data", (chunk) => {
      if (session) {
        session.data(chunk);
        return;
      }
      if (refused) return;
      framer.push(chunk);
      try {
        session = startup(socket, framer);
      } catch (e) {
        refused = true;
        const out = new BackendWriter();
        const text = e instanceof Error ? e.message : String(e);
        const error = e instanceof PgError ? e : new PgError("internal_error", text);
        out.error(new PgError(error.condition, error.message, error.fields, true));
        socket.end(out.take());
      }
      if (!session) return;
      clearTimeout(timer);
      session.start();
    });
    // A reset is an end like any other; "close" follows it.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      sockets.delete(socket);
      session?.closed();
    });
  });

  function startup(socket: Socket, framer: Framer): Session | null {
    for (;;) {
      const packet = framer.nextStartup();
      if (!packet) return null;
      const message = decodeStartup(packet);
      if (message.type === "startup") return startSession(socket, framer, message.parameters);
      if (message.type === "cancel") {
        const found = sessions.get(message.pid);
        if (found && found.secret === message.secret) found.session.cancel();
        socket.end();
        return null;
      }
      // Neither TLS nor GSSAPI is offered; the client goes on in the clear or leaves. Bytes sent
      // after the request were not meant for a clear connection (CVE-2021-23214).
      if (framer.buffered > 0)
        throw new PgError(
          "protocol_violation",
          "received unencrypted data after SSL request",
          {},
          true,
        );
      socket.write("N");
    }
  }

  async function close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
    const text = "terminating connection due to administrator command";
    for (const { session } of sessions.values())
      session.end(new PgError("admin_shutdown", text, {}, true));
    const grace = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, 500);
    for (const socket of sockets) if (!socket.writableEnded) socket.end();
    await stopped;
    clearTimeout(grace);
  }

  return { server, close };
}
