/**
 * Runs every program natively again and again and tells which ones do not print the same each time.
 *
 *   node test/conformance/stability.mjs [--runs 5] [--mode native] [--match text] [path of a node binary ...]
 */

import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { findPrograms, MODES, runProgram, whyNot } from "./run-program.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "5" },
    mode: { type: "string", default: "native" },
    match: { type: "string", default: "" },
    jobs: { type: "string", default: "2" },
    print: { type: "boolean", default: false },
  },
});
const mode = MODES.find(({ name }) => name === values.mode);
const nodes = positionals.length > 0 ? positionals : [process.execPath];
let unstable = 0;

for (const node of nodes) {
  const major = Number(execFileSync(node, ["-p", "process.versions.node.split('.')[0]"]));
  const queue = findPrograms().filter(
    (program) => program.name.includes(values.match) && whyNot(program, mode, major) === undefined,
  );
  const check = async () => {
    for (let program = queue.shift(); program !== undefined; program = queue.shift()) {
      const seen = new Map();
      let slowest = 0;
      for (let run = 0; run < Number(values.runs); run++) {
        const start = performance.now();
        const outcome = await runProgram(program, mode, { node });
        slowest = Math.max(slowest, performance.now() - start);
        const key = JSON.stringify(outcome, null, 1).replaceAll("\\n", "\n");
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      const first = seen.keys().next().value;
      if (values.print) console.log(`== ${program.name}\n${first}`);
      const hangs = first.includes("the program hangs") || first.includes('"signal": "SIGKILL"');
      const complaint = seen.size > 1 ? "UNSTABLE" : hangs ? "HANGS" : slowest > 5000 ? "SLOW" : "";
      if (complaint !== "") {
        unstable++;
        console.log(`${complaint} node ${major} ${program.name} (${Math.round(slowest)} ms)`);
        for (const [key, times] of seen)
          if (seen.size > 1) console.log(`--- ${times} times\n${key}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, check));
  console.log(`node ${major}: done`);
}
process.exitCode = unstable > 0 ? 1 : 0;
