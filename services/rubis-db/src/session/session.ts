import type { Socket } from "node:net";
import type { Engine } from "../engine/engine.ts";
import type { Plan } from "../engine/plan.ts";
import { splitStatements, type Token, tokenize } from "../sql/tokens.ts";
import { quoteName } from "../sql/translate.ts";
import type { BackendWriter, TransactionStatus } from "../wire/backend.ts";
import { PgError, protocolViolation } from "../wire/errors.ts";
import { decode, type Framer, type FrontendMessage } from "../wire/frontend.ts";
import { oid } from "../wire/types.ts";
import { bindPortal, type Portal } from "./portal.ts";
import type { Settings } from "./settings.ts";

const maxStatements = 5_000;
const maxPortals = 1_000;
/** A result is written in pieces of this size, and input waits while so much is unsent. */
const highWater = 1024 * 1024;
const idleInBlockMs = 60_000;

/** The statements of one simple query, and how far they are run. */
interface Script {
  statements: Token[][];
  at: number;
  /** Several statements are one transaction (section 55.2.2.1). */
  implicit: boolean;
}

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
  readonly #settings: Settings;
  readonly #out: BackendWriter;
  readonly #statements = new Map<string, Plan | null>();
  readonly #portals = new Map<string, Portal>();
  #status: TransactionStatus = "I";
  #implicit = false;
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
    this.#settings = settings;
    this.#out = out;
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
    this.#engine.cancel(
      this,
      new PgError("query_canceled", "canceling statement due to user request"),
    );
  }

  /** Ends the session from the server's side. */
  end(error: PgError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error) this.#out.error(error);
    const last = this.#out.take();
    this.#socket.end(last);
    this.closed();
  }

  /** The connection is gone: what is open is rolled back. */
  closed(): void {
    this.#ended = true;
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    this.#engine.cancel(this, new PgError("connection_does_not_exist", "connection closed"));
    if (this.#engine.owns(this)) {
      this.#engine.rollback();
      this.#engine.release(this);
    }
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
        if (this.#skipping && frame.code !== 0x53 && frame.code !== 0x58) continue;
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
    if (this.#script) {
      this.#script = null;
      this.#endImplicit(false);
      if (this.#status === "T") this.#status = "E";
      this.#ready();
      return;
    }
    if (this.#status === "T") this.#status = "E";
    this.#skipping = true;
  }

  #ready(): void {
    this.#out.readyForQuery(this.#status);
    this.#flush();
    if (this.#status === "I") return;
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
        this.#parse(message.name, message.sql, message.types);
        return;
      case "bind":
        this.#bind(message);
        return;
      case "describe":
        this.#describe(message.kind, message.name);
        return;
      case "execute":
        this.#execute(message.portal, message.maxRows);
        return;
      case "close":
        (message.kind === "S" ? this.#statements : this.#portals).delete(message.name);
        this.#out.closeComplete();
        return;
      case "sync":
        this.#skipping = false;
        if (this.#status === "I" && this.#portals.size > 0) this.#portals.clear();
        this.#ready();
        return;
      case "flush":
        this.#flush();
        return;
      case "terminate":
        this.end(null);
        return;
      case "functionCall":
        throw new PgError(
          "feature_not_supported",
          "the function call protocol is not supported",
          {},
          true,
        );
      case "password":
        throw protocolViolation("unexpected password message");
      case "copy":
        return; // as PostgreSQL: stray copy data after a failed COPY is ignored
    }
  }

  #query(sql: string): void {
    this.#portals.clear();
    this.#script = { statements: [], at: 0, implicit: false };
    const statements = splitStatements(tokenize(sql));
    this.#script = { statements, at: 0, implicit: statements.length > 1 && this.#status === "I" };
    if (statements.length === 0) this.#out.emptyQueryResponse();
  }

  /** Runs statements until one has to wait. */
  #runScript(script: Script): void {
    this.#guard(() => {
      while (script.at < script.statements.length && !this.#waiting && this.#script === script) {
        const tokens = script.statements[script.at] as Token[];
        if (script.implicit && !this.#implicit && this.#status === "I") {
          this.#begin(true, () => {});
          continue;
        }
        const plan = this.#engine.planTokens(tokens, []);
        if (plan.parameters > 0)
          throw new PgError("undefined_parameter", "there is no parameter $1");
        this.#whenWritable(plan, () => {
          const portal: Portal = { plan, values: [], formats: [], rows: null, at: 0, done: false };
          script.at++;
          this.#run(portal, 0, true);
        });
      }
      if (this.#waiting || this.#script !== script || script.at < script.statements.length) return;
      this.#script = null;
      this.#endImplicit(true);
      this.#ready();
    });
  }

  #endImplicit(commit: boolean): void {
    if (!this.#implicit) return;
    this.#implicit = false;
    try {
      if (commit) this.#engine.commit();
      else this.#engine.rollback();
    } finally {
      this.#status = "I";
      this.#engine.release(this);
    }
  }

  #parse(name: string, sql: string, types: number[]): void {
    if (name !== "" && this.#statements.has(name))
      throw new PgError(
        "duplicate_prepared_statement",
        `prepared statement "${name}" already exists`,
      );
    if (this.#statements.size >= maxStatements)
      throw new PgError(
        "configuration_limit_exceeded",
        `more than ${maxStatements} prepared statements`,
      );
    const plan = this.#engine.plan(sql, types);
    this.#refuseInFailedBlock(plan);
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

  #bind(message: Extract<FrontendMessage, { type: "bind" }>): void {
    const plan = this.#statement(message.statement);
    this.#refuseInFailedBlock(plan);
    if (message.portal !== "") {
      if (this.#portals.has(message.portal))
        throw new PgError("duplicate_cursor", `cursor "${message.portal}" already exists`);
      if (this.#portals.size >= maxPortals)
        throw new PgError("configuration_limit_exceeded", `more than ${maxPortals} portals`);
    }
    this.#portals.set(message.portal, bindPortal(plan, message));
    this.#out.bindComplete();
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (!portal) throw new PgError("invalid_cursor_name", `portal "${name}" does not exist`);
    return portal;
  }

  #describe(kind: "S" | "P", name: string): void {
    const portal = kind === "P" ? this.#portal(name) : null;
    const plan = portal ? portal.plan : this.#statement(name);
    if (kind === "S")
      this.#out.parameterDescription((plan?.parameterTypes ?? []).map((t) => t || oid.text));
    if (plan?.columns) this.#out.rowDescription(plan.columns, portal?.formats ?? []);
    else this.#out.noData();
  }

  #execute(name: string, maxRows: number): void {
    const portal = this.#portal(name);
    if (!portal.plan) {
      this.#out.emptyQueryResponse();
      return;
    }
    this.#whenWritable(portal.plan, () => this.#run(portal, maxRows, false));
  }

  #refuseInFailedBlock(plan: Plan | null): void {
    if (this.#status !== "E" || !plan) return;
    if (["commit", "rollback", "rollbackTo"].includes(plan.kind)) return;
    throw new PgError(
      "in_failed_sql_transaction",
      "current transaction is aborted, commands ignored until end of transaction block",
    );
  }

  /** Calls `action` now, or when the lock that the plan needs is ours. */
  #whenWritable(plan: Plan, action: () => void): void {
    this.#refuseInFailedBlock(plan);
    const writes = plan.kind === "write" || plan.kind === "define";
    if (!writes || this.#engine.free || this.#engine.owns(this)) {
      action();
      return;
    }
    this.#lock(() => {
      try {
        action();
      } finally {
        if (this.#status === "I") this.#engine.release(this);
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
      if (atOnce) act();
      else {
        this.#guardFatal(() => this.#guard(act));
        this.#drain();
      }
    });
    atOnce = false;
    if (this.#waiting) this.#flush();
  }

  #guardFatal(action: () => void): void {
    try {
      action();
    } catch (e) {
      this.end(asPgError(e));
    }
  }

  #run(portal: Portal, maxRows: number, describe: boolean): void {
    const plan = portal.plan as Plan;
    if (plan.kind === "read" || plan.kind === "write" || plan.kind === "define") {
      this.#runSql(portal, plan, maxRows, describe);
      return;
    }
    this.#runOwn(plan, describe, portal.formats);
  }

  #runSql(portal: Portal, plan: Plan, maxRows: number, describe: boolean): void {
    let changes = 0;
    if (!portal.rows) {
      const outcome = this.#engine.execute(this, plan, portal.values);
      portal.rows = outcome.rows ?? [];
      changes = outcome.changes;
    }
    const columns = plan.columns ?? [];
    if (describe && plan.columns) this.#out.rowDescription(columns, portal.formats);
    const end =
      maxRows > 0 ? Math.min(portal.at + maxRows, portal.rows.length) : portal.rows.length;
    let sent = 0;
    for (; portal.at < end; portal.at++, sent++) {
      this.#out.dataRow(portal.rows[portal.at] ?? [], columns, portal.formats);
      if (this.#out.length >= highWater) this.#flush();
    }
    if (portal.at < portal.rows.length) {
      this.#out.portalSuspended();
      return;
    }
    if (plan.kind === "define") this.#out.commandComplete(plan.tag);
    else {
      const count = plan.columns ? sent : changes;
      this.#out.commandComplete(`${plan.tag === "INSERT" ? "INSERT 0" : plan.tag} ${count}`);
    }
  }

  /** Statements that never reach SQLite as they are. */
  #runOwn(plan: Plan, describe: boolean, formats: number[]): void {
    const done = (tag: string) => this.#out.commandComplete(tag);
    switch (plan.kind) {
      case "begin":
        if (this.#implicit) this.#implicit = false;
        else if (this.#status !== "I")
          this.#out.warning("25001", "there is already a transaction in progress");
        else {
          this.#begin(false, () => done(plan.tag));
          return;
        }
        done(plan.tag);
        return;
      case "commit":
      case "rollback":
        done(this.#endBlock(plan.kind === "commit") ? "COMMIT" : "ROLLBACK");
        return;
      case "savepoint":
      case "release":
      case "rollbackTo":
        this.#savepoint(plan);
        done(plan.tag);
        return;
      case "set": {
        const change = this.#settings.set(plan.tokens);
        if (change) this.#out.parameterStatus(change.name, change.value);
        done(plan.tag);
        return;
      }
      case "show": {
        const columns = plan.columns ?? [];
        const row = [this.#settings.show(plan.tokens)];
        if (describe) this.#out.rowDescription(columns, formats);
        this.#out.dataRow(row, columns, formats);
        done("SHOW");
        return;
      }
      case "discard":
        this.#statements.clear();
        done("DISCARD ALL");
        return;
      case "deallocate": {
        const name = plan.tokens.at(-1)?.text ?? "";
        if (name === "all") this.#statements.clear();
        else {
          this.#statement(name);
          this.#statements.delete(name);
        }
        done(name === "all" ? "DEALLOCATE ALL" : "DEALLOCATE");
        return;
      }
    }
  }

  #begin(implicit: boolean, done: () => void): void {
    this.#lock(() => {
      this.#engine.begin();
      this.#status = "T";
      this.#implicit = implicit;
      done();
    });
  }

  /** True if the block was committed. */
  #endBlock(commit: boolean): boolean {
    if (this.#status === "I") {
      this.#out.warning("25P01", "there is no transaction in progress");
      return commit;
    }
    const good = commit && this.#status === "T";
    try {
      if (good) this.#engine.commit();
      else this.#engine.rollback();
    } finally {
      this.#status = "I";
      this.#implicit = false;
      this.#portals.clear();
      this.#engine.release(this);
      if (this.#idleTimer) clearTimeout(this.#idleTimer);
      this.#idleTimer = null;
    }
    return good;
  }

  #savepoint(plan: Plan): void {
    if (this.#status === "I")
      throw new PgError(
        "no_active_sql_transaction",
        `${plan.tag} can only be used in transaction blocks`,
      );
    const name = quoteName(plan.tokens.at(-1)?.text ?? "");
    const verb = { savepoint: "SAVEPOINT", release: "RELEASE", rollbackTo: "ROLLBACK TO" };
    this.#engine.savepoint(`${verb[plan.kind as keyof typeof verb]} ${name}`);
    if (plan.kind === "rollbackTo") this.#status = "T";
  }
}

/** Anything that is not ours is a defect: the client gets XX000, the connection ends. */
function asPgError(e: unknown): PgError {
  if (e instanceof PgError) return e;
  const text = e instanceof Error ? e.message : String(e);
  return new PgError("internal_error", text, {}, true);
}
