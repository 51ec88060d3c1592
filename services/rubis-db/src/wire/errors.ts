/**
 * The one table of errors that this server may send, by the condition names and SQLSTATE codes of
 * the PostgreSQL manual, appendix A.
 */
const sqlstate = {
  connection_does_not_exist: "08003",
  protocol_violation: "08P01",
  feature_not_supported: "0A000",
  numeric_value_out_of_range: "22003",
  invalid_datetime_format: "22007",
  datetime_field_overflow: "22008",
  character_not_in_repertoire: "22021",
  invalid_text_representation: "22P02",
  invalid_binary_representation: "22P03",
  string_data_right_truncation: "22001",
  not_null_violation: "23502",
  foreign_key_violation: "23503",
  unique_violation: "23505",
  check_violation: "23514",
  active_sql_transaction: "25001",
  read_only_sql_transaction: "25006",
  no_active_sql_transaction: "25P01",
  in_failed_sql_transaction: "25P02",
  idle_in_transaction_session_timeout: "25P03",
  invalid_sql_statement_name: "26000",
  invalid_authorization_specification: "28000",
  invalid_cursor_name: "34000",
  invalid_savepoint_specification: "3B001",
  syntax_error: "42601",
  ambiguous_column: "42702",
  undefined_column: "42703",
  undefined_object: "42704",
  grouping_error: "42803",
  undefined_function: "42883",
  undefined_table: "42P01",
  undefined_parameter: "42P02",
  duplicate_cursor: "42P03",
  duplicate_prepared_statement: "42P05",
  duplicate_table: "42P07",
  disk_full: "53100",
  too_many_connections: "53300",
  configuration_limit_exceeded: "53400",
  program_limit_exceeded: "54000",
  lock_not_available: "55P03",
  query_canceled: "57014",
  admin_shutdown: "57P01",
  io_error: "58030",
  internal_error: "XX000",
  data_corrupted: "XX001",
} as const;

export type Condition = keyof typeof sqlstate;

export interface ErrorFields {
  detail?: string;
  hint?: string;
  table?: string;
  column?: string;
  constraint?: string;
}

/** An error for the client. `fatal` ones end the connection, as in PostgreSQL. */
export class PgError extends Error {
  readonly condition: Condition;
  readonly fields: ErrorFields;
  readonly fatal: boolean;

  constructor(condition: Condition, message: string, fields: ErrorFields = {}, fatal = false) {
    super(message);
    this.name = "PgError";
    this.condition = condition;
    this.fields = fields;
    this.fatal = fatal;
  }

  get code(): string {
    return sqlstate[this.condition];
  }
}

export function protocolViolation(message: string): PgError {
  return new PgError("protocol_violation", message, {}, true);
}
