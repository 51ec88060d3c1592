export type { Report, Row } from "./report.ts";
export { MODES, PATHS, WORKS } from "./works.ts";
