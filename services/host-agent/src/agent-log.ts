export interface AgentLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
