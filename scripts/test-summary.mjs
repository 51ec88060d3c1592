// Prints what was skipped and why it may be, what was flaky, then "N passed, N failed, N skipped"
// over all results as the last line. A failed step without a failed test counts as one failure.
//   node scripts/test-summary.mjs FAILED_STEPS RESULTS...
import { readFileSync } from "node:fs";

const [, , failedSteps, ...files] = process.argv;
let passed = 0;
let failed = 0;
let skipped = 0;
for (const file of files) {
  try {
    const results = JSON.parse(readFileSync(file, "utf8"));
    passed += results.numPassedTests;
    failed += results.numFailedTests;
    skipped += results.numPendingTests + results.numTodoTests;
    for (const { name, flaky, assertionResults } of results.testResults) {
      if (flaky) process.stdout.write(`flaky: ${name}\n`);
      for (const { status, fullName } of assertionResults) {
        if (status === "skipped" || status === "pending")
          process.stdout.write(`skipped: ${fullName}\n`);
        if (status === "failed") process.stdout.write(`failed: ${fullName}\n`);
      }
    }
  } catch (error) {
    process.stdout.write(`no test results: ${error.message}\n`);
    failed += 1;
  }
}
if (Number(failedSteps) > 0 && failed === 0) failed = Number(failedSteps);
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
