// conformance: cwd /
// A working directory far from the program.
import { readdirSync } from "node:fs";

console.log(process.cwd(), readdirSync(".").includes("tmp"));
process.chdir("/tmp");
console.log(process.cwd());
