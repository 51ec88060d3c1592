// Prints what was skipped and why it may be, then "N passed, N failed, N skipped" as the last
// line. A failed step that is no test counts as one failure.
import { readFileSync } from "node:fs";

const [, , file, failedSteps] = process.argv;
let passed = 0;
let failed = 0;
let skipped = 0;
try {
  const results = JSON.parse(readFileSync(file, "utf8"));
  passed = results.numPassedTests;
  failed = results.numFailedTests;
  skipped = results.numPendingTests + results.numTodoTests;
  for (const { assertionResults } of results.testResults) {
    for (const { status, fullName } of assertionResults) {
      if (status === "skipped" || status === "pending")
        process.stdout.write(`skipped: ${fullName}\n`);
      if (status === "failed") process.stdout.write(`failed: ${fullName}\n`);
    }
  }
} catch (error) {
  process.stdout.write(`no test results: ${error.message}\n`);
}
if (Number(failedSteps) > 0 && failed === 0) failed = Number(failedSteps);
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
