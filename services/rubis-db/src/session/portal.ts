import type { Row } from "../engine/connection.ts";
import type { Plan } from "../engine/plan.ts";
import { formatOf } from "../wire/backend.ts";
import { PgError } from "../wire/errors.ts";
import type { FrontendMessage } from "../wire/frontend.ts";
import { decodeUtf8, oid, parseBinary, parseText, type Value } from "../wire/types.ts";

/** A statement with its values, and how far its rows were sent. */
export interface Portal {
  /** Null: the empty query. */
  plan: Plan | null;
  values: Value[];
  formats: number[];
  /** Null until the first Execute. */
  rows: Row[] | null;
  at: number;
}

type Bind = Extract<FrontendMessage, { type: "bind" }>;

export function bindPortal(plan: Plan | null, bind: Bind): Portal {
  const expected = plan?.parameters ?? 0;
  if (bind.values.length !== expected)
    throw new PgError(
      "protocol_violation",
      `bind message supplies ${bind.values.length} parameters, but prepared statement "${bind.statement}" requires ${expected}`,
    );
  const columns = plan?.columns?.length ?? 0;
  if (bind.resultFormats.length > 1 && bind.resultFormats.length !== columns)
    throw new PgError(
      "protocol_violation",
      `bind message has ${bind.resultFormats.length} result formats but query has ${columns} columns`,
    );
  const values = bind.values.map((raw, i): Value => {
    if (raw === null) return null;
    const type = plan?.parameterTypes[i] ?? oid.unknown;
    if (formatOf(bind.formats, i) === 1) return parseBinary(raw, type);
    return parseText(decodeUtf8(raw, 0, raw.length), type);
  });
  return { plan, values, formats: bind.resultFormats, rows: null, at: 0 };
}

/** The portal of a statement without parameters, in text format. */
export function portalOf(plan: Plan): Portal {
  return { plan, values: [], formats: [], rows: null, at: 0 };
}
