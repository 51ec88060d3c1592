// conformance: env MINE=a value
// conformance: env NODE_OPTIONS=--max-old-space-size=300 --no-deprecation
// Variables of the environment, and NODE_OPTIONS that the user gave.
const v8 = require("node:v8");
const { execFileSync } = require("node:child_process");
console.log(process.env.MINE, process.env.NODE_OPTIONS?.includes("--max-old-space-size=300"));
console.log(v8.getHeapStatistics().heap_size_limit < 450e6, process.noDeprecation);
console.log(
  execFileSync(process.execPath, [
    "-p",
    "process.env.MINE + ' ' + process.noDeprecation",
  ]).toString(),
);
