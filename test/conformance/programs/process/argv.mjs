// conformance: args first second
// The same for a program of modules.

import { createRequire } from "node:module";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

console.log(
  import.meta.url === pathToFileURL(process.argv[1]).href,
  basename(fileURLToPath(import.meta.url)),
);
console.log(process.argv.slice(2), process.execArgv, basename(import.meta.dirname ?? "process"));
console.log(createRequire(import.meta.url).main, typeof require, typeof module);
console.log(import.meta.resolve("./argv.cjs").endsWith("/process/argv.cjs"), this);
const { default: dns } = await import("node:dns");
const net = await import("node:net");
console.log(
  typeof dns.lookup,
  net.default.connect === net.connect,
  net.default.Socket === net.Socket,
);
