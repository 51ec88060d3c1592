export type { GoalResult } from "./goals.ts";
export type { Report } from "./report.ts";
export type { Row } from "./rows.ts";
export { MODES, PATHS, WORK_NAMES } from "./works.ts";
