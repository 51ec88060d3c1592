// Holds the rules of ARCHITECTURE.md about who may import whom. Exits with 1 and says where a
// rule is broken.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Each rule: files that it holds for (by path), what they must not import, and why. */
const RULES = [
  {
    files: /^packages\/guest-kernel\/src\/node-compat\//,
    forbidden: (specifier, target) =>
      /^@outsock\/(?!abi$)/.test(specifier) ||
      /^packages\/guest-kernel\/src\/(outsourced|passthrough|runtime)\//.test(target),
    why: "node-compat reaches the network only through system calls of the guest kernel",
  },
  {
    files: /^packages\/guest-kernel\/src\/(kernel|net)\//,
    forbidden: (specifier, target) =>
      /^@outsock\/(?!abi$)/.test(specifier) ||
      /^packages\/guest-kernel\/src\/(outsourced|passthrough|runtime|node-compat)\//.test(target),
    why: "the kernel's core knows no protocol family and no host",
  },
  {
    files: /^(packages|services|loadtest|bench)\/(?!.*hostsys\/)/,
    forbidden: (specifier) => specifier === "koffi",
    why: "system calls go through packages/hostsys",
  },
  {
    files: /^services\/rubis-(web|app|db)\//,
    forbidden: (specifier) => specifier.startsWith("@outsock/"),
    why: "the application tiers import nothing of Outsock",
  },
  {
    files: /^bench\/src\/programs\//,
    forbidden: (specifier) => specifier.startsWith("@outsock/"),
    why: "measured programs are ordinary Node.js programs",
  },
  {
    files: /./,
    forbidden: (specifier) => /^@outsock\/[^/]+\/(src|dist)\//.test(specifier),
    why: "import a sibling by its package name, through its index",
  },
];

function* sources(folder) {
  for (const name of readdirSync(folder)) {
    if (name === "node_modules" || name === "dist" || name.startsWith(".")) continue;
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (/\.(ts|mts|cts)$/.test(name)) yield path;
  }
}

const IMPORT = /(?:from\s+|import\s*\(?\s*|require\()["']([^"']+)["']/g;
let broken = 0;
for (const group of ["packages", "services", "loadtest", "bench"]) {
  for (const path of sources(join(root, group))) {
    const file = relative(root, path);
    if (/\/test\//.test(file)) continue;
    const lines = readFileSync(path, "utf8").split("\n");
    for (const [i, line] of lines.entries()) {
      if (/^\s*(\*|\/\/)/.test(line)) continue;
      for (const [, specifier] of line.matchAll(IMPORT)) {
        const target = specifier.startsWith(".")
          ? relative(root, resolve(dirname(path), specifier))
          : specifier;
        for (const rule of RULES) {
          if (rule.files.test(file) && rule.forbidden(specifier, target)) {
            process.stderr.write(`${file}:${i + 1}: "${specifier}": ${rule.why}\n`);
            broken++;
          }
        }
      }
    }
  }
}
process.stdout.write(broken === 0 ? "imports: all rules hold\n" : "");
process.exit(broken === 0 ? 0 : 1);
