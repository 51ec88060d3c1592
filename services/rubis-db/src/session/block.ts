import type { Engine } from "../engine/engine.ts";
import type { Plan } from "../engine/plan.ts";
import { quoteName } from "../sql/translate.ts";
import type { TransactionStatus } from "../wire/backend.ts";
import { PgError } from "../wire/errors.ts";

const savepointVerb: Partial<Record<Plan["kind"], string>> = {
  savepoint: "SAVEPOINT",
  release: "RELEASE",
  rollbackTo: "ROLLBACK TO",
};

/** What may still run in a failed block. */
const leaving: readonly Plan["kind"][] = ["commit", "rollback", "rollbackTo"];

/**
 * The transaction block of one session. BEGIN costs nothing: until the block writes or locks a row,
 * its statements read the last commit, as READ COMMITTED may; then it takes the write lock and
 * keeps it to its end.
 */
export class TransactionBlock {
  readonly #engine: Engine;
  readonly #session: object;
  #status: TransactionStatus = "I";
  #implicit = false;

  constructor(engine: Engine, session: object) {
    this.#engine = engine;
    this.#session = session;
  }

  get status(): TransactionStatus {
    return this.#status;
  }

  /** True: made for the statements of one simple query, and ended with it. */
  get implicit(): boolean {
    return this.#implicit;
  }

  /** False: a block was open; an implicit one is now explicit. */
  open(implicit: boolean): boolean {
    if (this.#status !== "I") {
      const made = this.#implicit && !implicit;
      this.#implicit = false;
      return made;
    }
    this.#status = "T";
    this.#implicit = implicit;
    return true;
  }

  /** True: the statement needs the write lock, and the session has it not. */
  needsLock(plan: Plan): boolean {
    if (this.#engine.owns(this.#session)) return false;
    if (plan.kind === "write" || plan.kind === "define")
      return this.#status === "T" || !this.#engine.free;
    return this.#status === "T" && (plan.locks || plan.kind === "savepoint");
  }

  /** The session has the lock now. Outside a block, the statement that follows is all there is. */
  enter(): void {
    if (this.#status !== "T") return;
    try {
      this.#engine.begin();
    } catch (e) {
      this.#engine.release(this.#session);
      throw e;
    }
  }

  fail(): void {
    if (this.#status === "T") this.#status = "E";
  }

  refuseIfFailed(plan: Plan | null): void {
    if (this.#status !== "E" || !plan || leaving.includes(plan.kind)) return;
    throw new PgError(
      "in_failed_sql_transaction",
      "current transaction is aborted, commands ignored until end of transaction block",
    );
  }

  /** True if what the block did is committed. */
  end(commit: boolean): boolean {
    const good = commit && this.#status === "T";
    try {
      if (!this.#engine.owns(this.#session)) return good;
      if (good) this.#engine.commit();
      else this.#engine.rollback();
    } finally {
      this.#status = "I";
      this.#implicit = false;
      this.#engine.release(this.#session);
    }
    return good;
  }

  savepoint(plan: Plan): void {
    if (this.#status === "I")
      throw new PgError(
        "no_active_sql_transaction",
        `${plan.tag} can only be used in transaction blocks`,
      );
    const name = plan.tokens.at(-1)?.text ?? "";
    if (!this.#engine.owns(this.#session))
      throw new PgError("invalid_savepoint_specification", `savepoint "${name}" does not exist`);
    this.#engine.savepoint(`${savepointVerb[plan.kind]} ${quoteName(name)}`);
    if (plan.kind === "rollbackTo") this.#status = "T";
  }
}
