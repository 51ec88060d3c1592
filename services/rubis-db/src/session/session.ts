import type { Socket } from "node:net";
import type { Engine } from "../engine/engine.ts";
import type { Plan } from "../engine/plan.ts";
import { splitStatements, type Token, tokenize } from "../sql/tokens.ts";
import type { BackendWriter } from "../wire/backend.ts";
import { PgError, protocolViolation } from "../wire/errors.ts";
import { decode, type Framer, type FrontendMessage } from "../wire/frontend.ts";
import { oid } from "../wire/types.ts";
import { TransactionBlock } from "./block.ts";
import { runCommand, type SessionState } from "./commands.ts";
import { bindPortal, type Portal, portalOf } from "./portal.ts";
import type { Settings } from "./settings.ts";

const maxStatements = 5_000;
const maxPortals = 1_000;
/** A result is written in pieces of this size, and input waits while so much is unsent. */
const highWater = 1024 * 1024;
const idleInBlockMs = 60_000;

const sync = 0x53;
const terminate = 0x58;

/** The statements of one simple query, and how far they are run. */
interface Script {
  statements: Token[][];
  at: number;
}

type MessageOf<T extends FrontendMessage["type"]> = Extract<FrontendMessage, { type: T }>;

/**
 * One client after startup: the message flow of section 55.2.
 *
 * Messages are handled in order and at once. Only two things make a session wait, and it then reads
 * no further message: the write lock held by another session, and a client that does not take its
 * results. One departure: statements of the extended protocol between two Syncs are committed one
 * by one, not together.
 */
export class Session {
  readonly #socket: Socket;
  readonly #engine: Engine;
  readonly #framer: Framer;
  readonly #out: BackendWriter;
  readonly #block: TransactionBlock;
  readonly #state: SessionState;
  readonly #statements = new Map<string, Plan | null>();
  readonly #portals = new Map<string, Portal>();
  #script: Script | null = null;
  /** After an error of the extended protocol everything up to the next Sync is skipped. */
  #skipping = false;
  #waiting = false;
  #choked = false;
  #ended = false;
  #idleTimer: NodeJS.Timeout | null = null;

  constructor(
    socket: Socket,
    engine: Engine,
    framer: Framer,
    settings: Settings,
    out: BackendWriter,
  ) {
    this.#socket = socket;
    this.#engine = engine;
    this.#framer = framer;
    this.#out = out;
    this.#block = new TransactionBlock(engine, this);
    this.#state = {
      out,
      settings,
      block: this.#block,
      statements: this.#statements,
      portals: this.#portals,
    };
  }

  start(): void {
    this.#ready();
    this.#drain();
  }

  data(chunk: Buffer): void {
    this.#framer.push(chunk);
    if (this.#waiting || this.#choked) this.#socket.pause();
    else this.#drain();
  }

  /** CancelRequest: only a session that waits can be interrupted. */
  cancel(): void {
    const text = "canceling statement due to user request";
    this.#engine.cancel(this, new PgError("query_canceled", text));
  }

  /** Ends the session from the server's side. */
  end(error: PgError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error) this.#out.error(error);
    this.#socket.end(this.#out.take());
    this.closed();
  }

  /** The connection is gone: what is open is rolled back. */
  closed(): void {
    this.#ended = true;
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    const text = "connection closed";
    this.#engine.cancel(this, new PgError("connection_does_not_exist", text));
    this.#block.end(false);
  }

  #drain(): void {
    try {
      while (!this.#waiting && !this.#choked && !this.#ended) {
        if (this.#script) {
          this.#runScript(this.#script);
          continue;
        }
        const frame = this.#framer.next();
        if (!frame) break;
        if (this.#skipping && frame.code !== sync && frame.code !== terminate) continue;
        this.#guard(() => this.#handle(decode(frame)));
      }
    } catch (e) {
      this.end(asPgError(e));
      return;
    }
    if (!this.#waiting && !this.#choked && !this.#ended && this.#socket.isPaused())
      this.#socket.resume();
  }

  /** Answers an error the way the protocol in use wants it; a fatal one goes up. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (e) {
      const error = asPgError(e);
      if (error.fatal) throw error;
      this.#fail(error);
    }
  }

  #fail(error: PgError): void {
    this.#out.error(error);
    this.#block.fail();
    if (!this.#script) {
      this.#skipping = true;
      return;
    }
    this.#script = null;
    if (this.#block.implicit) this.#block.end(false);
    this.#ready();
  }

  #ready(): void {
    this.#out.readyForQuery(this.#block.status);
    this.#flush();
    if (this.#block.status === "I") {
      if (this.#idleTimer) clearTimeout(this.#idleTimer);
      this.#idleTimer = null;
      return;
    }
    this.#idleTimer ??= setTimeout(() => {
      const text = "terminating connection due to idle-in-transaction timeout";
      this.end(new PgError("idle_in_transaction_session_timeout", text, {}, true));
    }, idleInBlockMs).unref();
    this.#idleTimer.refresh();
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    this.#socket.write(this.#out.take());
    if (this.#socket.writableLength < highWater || this.#choked) return;
    this.#choked = true;
    this.#socket.once("drain", () => {
      this.#choked = false;
      this.#drain();
    });
  }

  #handle(message: FrontendMessage): void {
    switch (message.type) {
      case "query":
        this.#query(message.sql);
        return;
      case "parse":
        this.#parse(message);
        return;
      case "bind":
        this.#bind(message);
        return;
      case "describe":
        this.#describe(message);
        return;
      case "execute":
        this.#execute(message);
        return;
      case "close":
        (message.kind === "S" ? this.#statements : this.#portals).delete(message.name);
        this.#out.closeComplete();
        return;
      case "sync":
        this.#skipping = false;
        if (this.#block.status === "I" && this.#portals.size > 0) this.#portals.clear();
        this.#ready();
        return;
      case "flush":
        this.#flush();
        return;
      case "terminate":
        this.end(null);
        return;
      case "functionCall":
        throw new PgError("feature_not_supported", "no function call protocol here", {}, true);
      case "password":
        throw protocolViolation("unexpected password message");
      case "copy":
        return; // as PostgreSQL: stray copy data after a failed COPY is ignored
    }
  }

  #query(sql: string): void {
    this.#portals.clear();
    this.#script = { statements: [], at: 0 };
    const statements = splitStatements(tokenize(sql));
    this.#script = { statements, at: 0 };
    if (statements.length === 0) this.#out.emptyQueryResponse();
  }

  /** Runs statements until one has to wait. Several are one transaction (section 55.2.2.1). */
  #runScript(script: Script): void {
    const { statements } = script;
    this.#guard(() => {
      while (script.at < statements.length && !this.#waiting) {
        if (statements.length > 1 && this.#block.status === "I") this.#block.open(true);
        const plan = this.#engine.planTokens(statements[script.at] as Token[], []);
        if (plan.parameters > 0)
          throw new PgError("undefined_parameter", "there is no parameter $1");
        this.#whenWritable(plan, () => {
          script.at++;
          this.#run(portalOf(plan), plan, 0, true);
        });
      }
      if (this.#waiting) return;
      if (this.#block.implicit) this.#block.end(true);
      this.#script = null;
      this.#ready();
    });
  }

  #parse({ name, sql, types }: MessageOf<"parse">): void {
    if (name !== "" && this.#statements.has(name))
      throw new PgError(
        "duplicate_prepared_statement",
        `prepared statement "${name}" already exists`,
      );
    if (this.#statements.size >= maxStatements)
      throw new PgError("configuration_limit_exceeded", "too many prepared statements");
    const plan = this.#engine.plan(sql, types);
    this.#block.refuseIfFailed(plan);
    this.#statements.set(name, plan);
    this.#out.parseComplete();
  }

  #statement(name: string): Plan | null {
    const plan = this.#statements.get(name);
    if (plan === undefined)
      throw new PgError(
        "invalid_sql_statement_name",
        `prepared statement "${name}" does not exist`,
      );
    return plan;
  }

  #bind(message: MessageOf<"bind">): void {
    const plan = this.#statement(message.statement);
    this.#block.refuseIfFailed(plan);
    if (message.portal !== "") {
      if (this.#portals.has(message.portal))
        throw new PgError("duplicate_cursor", `cursor "${message.portal}" already exists`);
      if (this.#portals.size >= maxPortals)
        throw new PgError("configuration_limit_exceeded", "too many portals");
    }
    this.#portals.set(message.portal, bindPortal(plan, message));
    this.#out.bindComplete();
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (!portal) throw new PgError("invalid_cursor_name", `portal "${name}" does not exist`);
    return portal;
  }

  #describe({ kind, name }: MessageOf<"describe">): void {
    const portal = kind === "P" ? this.#portal(name) : null;
    const plan = portal ? portal.plan : this.#statement(name);
    if (kind === "S")
      this.#out.parameterDescription((plan?.parameterTypes ?? []).map((t) => t || oid.text));
    if (plan?.columns) this.#out.rowDescription(plan.columns, portal?.formats ?? []);
    else this.#out.noData();
  }

  #execute({ portal: name, maxRows }: MessageOf<"execute">): void {
    const portal = this.#portal(name);
    const { plan } = portal;
    if (plan) this.#whenWritable(plan, () => this.#run(portal, plan, maxRows, false));
    else this.#out.emptyQueryResponse();
  }

  /** Calls `action` now, or when the lock that the plan needs is ours. */
  #whenWritable(plan: Plan, action: () => void): void {
    this.#block.refuseIfFailed(plan);
    if (!this.#block.needsLock(plan)) {
      action();
      return;
    }
    this.#lock(() => {
      this.#block.enter();
      try {
        action();
      } finally {
        if (this.#block.status === "I") this.#engine.release(this);
      }
    });
  }

  #lock(action: () => void): void {
    let atOnce = true;
    this.#waiting = true;
    this.#engine.acquire(this, (error) => {
      this.#waiting = false;
      if (this.#ended) {
        this.#engine.release(this);
        return;
      }
      const act = () => {
        if (error) throw error;
        action();
      };
      // At once means inside #drain, which guards and goes on by itself.
      if (atOnce) {
        act();
        return;
      }
      try {
        this.#guard(act);
      } catch (e) {
        this.end(asPgError(e));
      }
      this.#drain();
    });
    atOnce = false;
    if (this.#waiting) this.#flush();
  }

  #run(portal: Portal, plan: Plan, maxRows: number, describe: boolean): void {
    if (plan.kind === "read" || plan.kind === "write" || plan.kind === "define")
      this.#runSql(portal, plan, maxRows, describe);
    else runCommand(this.#state, plan, portal, describe);
  }

  #runSql(portal: Portal, plan: Plan, maxRows: number, describe: boolean): void {
    let changes = 0;
    if (!portal.rows) {
      const outcome = this.#engine.execute(this, plan, portal.values);
      portal.rows = outcome.rows ?? [];
      changes = outcome.changes;
    }
    const { rows, formats } = portal;
    const columns = plan.columns ?? [];
    if (describe && plan.columns) this.#out.rowDescription(columns, formats);
    const end = maxRows > 0 ? Math.min(portal.at + maxRows, rows.length) : rows.length;
    const sent = end - portal.at;
    for (; portal.at < end; portal.at++) {
      this.#out.dataRow(rows[portal.at] ?? [], columns, formats);
      if (this.#out.length >= highWater) this.#flush();
    }
    if (portal.at < rows.length) {
      this.#out.portalSuspended();
      return;
    }
    const count = plan.columns ? sent : changes;
    if (plan.kind === "define") this.#out.commandComplete(plan.tag);
    else this.#out.commandComplete(`${plan.tag === "INSERT" ? "INSERT 0" : plan.tag} ${count}`);
  }
}

/** Anything that is not ours is a defect: the client gets XX000, the connection ends. */
function asPgError(e: unknown): PgError {
  if (e instanceof PgError) return e;
  const text = e instanceof Error ? e.message : String(e);
  return new PgError("internal_error", text, {}, true);
}
