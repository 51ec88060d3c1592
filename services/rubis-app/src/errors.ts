/** Why an action cannot be done: the one table, with the HTTP status of each. */
const refusals = {
  invalid_value: 422,
  bad_credentials: 403,
  unknown_item: 404,
  unknown_user: 404,
  unknown_region: 404,
  unknown_category: 404,
  nickname_taken: 409,
  auction_over: 409,
  bid_too_low: 409,
  quantity_gone: 409,
  not_for_sale_now: 409,
} as const;

export type Refusal = keyof typeof refusals;

/** The message is a sentence for the person at the browser. */
export class RefusedError extends Error {
  readonly code: Refusal;

  constructor(code: Refusal, message: string) {
    super(message);
    this.name = "RefusedError";
    this.code = code;
  }

  get status(): number {
    return refusals[this.code];
  }
}

export function unknownItem(id: number): RefusedError {
  return new RefusedError("unknown_item", `item ${id} does not exist.`);
}

export function unknownUser(id: number): RefusedError {
  return new RefusedError("unknown_user", `user ${id} does not exist.`);
}

interface DriverError extends Error {
  code?: unknown;
}

/** True: the database cannot be reached, or lets nobody in at the moment. */
export function isUnavailable(e: unknown): boolean {
  if (!(e instanceof Error)) return false;
  const given = (e as DriverError).code;
  const code = typeof given === "string" ? given : "";
  // Class 08 connection exception, 53 insufficient resources, 57P operator intervention.
  if (/^(08|53|57P|55P03)/.test(code)) return true;
  if (/^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_)/.test(code)) return true;
  if (e instanceof AggregateError) return e.errors.every(isUnavailable);
  return /Connection terminated|timeout exceeded when trying to connect|not queryable/i.test(
    e.message,
  );
}

export function isUniqueViolation(e: unknown): boolean {
  return e instanceof Error && (e as DriverError).code === "23505";
}
