// Runs a project's tests for CI, on a machine that others use too; a file that failed runs once
// more, alone, and is called flaky if it passes then. Nobody else does: `npm run test:e2e` shows a
// failure as one.
//   node scripts/test-again.mjs PROJECT RESULTS        runs the project first
//   node scripts/test-again.mjs PROJECT RESULTS failed  it has run: what failed, once more
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [, , project, results, which] = process.argv;
if (results === undefined || (which !== undefined && which !== "failed")) {
  process.stderr.write("usage: test-again.mjs PROJECT[,PROJECT...] RESULTS [failed]\n");
  process.exit(2);
}
/** So many files that failed are no bad luck. */
const FLAKY_MAX = 6;

function run(file, output, env = {}) {
  const projects = project.split(",").flatMap((name) => ["--project", name]);
  const args = ["vitest", "run", ...projects, ...(file === undefined ? [] : [file])];
  spawnSync("npx", args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env, OUTSOCK_TEST_RESULTS: output },
  });
  return read(output);
}

function read(output) {
  const path = join(root, output);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

const all = which === "failed" ? read(results) : run(undefined, results);
if (all === undefined) {
  process.stdout.write(`ci: ${project}: no test has run\n`);
  process.exit(1);
}
const again = join(dirname(results), `${project.replaceAll(",", "-")}-again.json`);
const failures = all.testResults.filter(({ status }) => status === "failed").length;
if (failures > FLAKY_MAX) {
  process.stdout.write(`ci: ${failures} files failed: too many to be bad luck\n`);
  process.exit(1);
}
for (const [n, { name, status }] of all.testResults.entries()) {
  if (status !== "failed") continue;
  process.stdout.write(`\nci: ${name} FAILED; once more, alone:\n`);
  const found = run(name, again, { OUTSOCK_E2E_SKIP_IMAGES: "1" });
  const [second] = found?.testResults ?? [];
  if (second === undefined || second.status === "failed") continue;
  process.stdout.write(
    `\nci: ======== FLAKY: ${name} failed, and passed when it ran alone ========\n`,
  );
  all.testResults[n] = { ...second, flaky: true };
}
const count = (...states) =>
  all.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => states.includes(status)).length;
// A file that failed without a failed test (in a hook) counts as one.
const broken = all.testResults.filter(
  ({ status, assertionResults }) =>
    status === "failed" && !assertionResults.some((it) => it.status === "failed"),
).length;
all.numPassedTests = count("passed");
all.numFailedTests = count("failed") + broken;
all.numPendingTests = count("pending", "skipped");
all.numTodoTests = count("todo");
writeFileSync(join(root, results), JSON.stringify(all));
process.exit(all.numFailedTests === 0 ? 0 : 1);
