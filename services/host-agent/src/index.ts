export { Agent, type AgentLog, type AgentOptions } from "./agent.ts";
export { GUEST_NAME } from "./handshake-check.ts";
export { parseResolvConf } from "./host-resolver.ts";
