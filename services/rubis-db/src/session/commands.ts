import type { Plan } from "../engine/plan.ts";
import type { BackendWriter } from "../wire/backend.ts";
import { PgError } from "../wire/errors.ts";
import type { TransactionBlock } from "./block.ts";
import type { Portal } from "./portal.ts";
import type { Settings } from "./settings.ts";

/** The parts of a session that a command works on. */
export interface SessionState {
  out: BackendWriter;
  block: TransactionBlock;
  settings: Settings;
  statements: Map<string, Plan | null>;
  portals: Map<string, Portal>;
}

function begin({ out, block }: SessionState, plan: Plan): void {
  if (!block.open(false)) out.warning("25001", "there is already a transaction in progress");
  out.commandComplete(plan.tag);
}

function end({ out, block, portals }: SessionState, commit: boolean): void {
  if (block.status === "I") {
    out.warning("25P01", "there is no transaction in progress");
    out.commandComplete(commit ? "COMMIT" : "ROLLBACK");
    return;
  }
  portals.clear();
  out.commandComplete(block.end(commit) ? "COMMIT" : "ROLLBACK");
}

function set({ out, settings }: SessionState, plan: Plan): void {
  const change = settings.set(plan.tokens);
  if (change) out.parameterStatus(change.name, change.value);
  out.commandComplete(plan.tag);
}

function show(
  { out, settings }: SessionState,
  plan: Plan,
  portal: Portal,
  describe: boolean,
): void {
  const columns = plan.columns ?? [];
  const row = [settings.show(plan.tokens)];
  if (describe) out.rowDescription(columns, portal.formats);
  out.dataRow(row, columns, portal.formats);
  out.commandComplete("SHOW");
}

function deallocate({ out, statements }: SessionState, plan: Plan): void {
  const name = plan.tokens.at(-1)?.text ?? "";
  if (name === "all") statements.clear();
  else if (!statements.delete(name))
    throw new PgError("invalid_sql_statement_name", `prepared statement "${name}" does not exist`);
  out.commandComplete(name === "all" ? "DEALLOCATE ALL" : "DEALLOCATE");
}

/** Runs a statement that never reaches SQLite as it is: transactions, settings, statements. */
export function runCommand(
  state: SessionState,
  plan: Plan,
  portal: Portal,
  describe: boolean,
): void {
  switch (plan.kind) {
    case "begin":
      begin(state, plan);
      return;
    case "commit":
    case "rollback":
      end(state, plan.kind === "commit");
      return;
    case "savepoint":
    case "release":
    case "rollbackTo":
      state.block.savepoint(plan);
      state.out.commandComplete(plan.tag);
      return;
    case "set":
      set(state, plan);
      return;
    case "show":
      show(state, plan, portal, describe);
      return;
    case "discard":
      state.statements.clear();
      state.out.commandComplete("DISCARD ALL");
      return;
    case "deallocate":
      deallocate(state, plan);
      return;
    default:
      throw new PgError("internal_error", `${plan.kind} is no command`);
  }
}
