export type { ComplianceBed } from "./compliance/program.ts";
export type { TestApi } from "./compliance/test-api.ts";
export { protocolFamilyCompliance } from "./protocol-family-compliance.ts";
export { SeededRandom } from "./seeded-random.ts";
