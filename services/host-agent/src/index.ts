export { Agent, type AgentOptions } from "./agent.ts";
export type { AgentLog } from "./agent-log.ts";
export { GUEST_NAME } from "./handshake-check.ts";
export { parseResolvConf } from "./host-resolver.ts";
export { parseWorkers } from "./workers/count.ts";
