// What of charts/outsock is made from something else: the custom resources (k8s/crds) and the
// table of values in its README (comments of values.yaml). With --check it changes nothing and
// exits with 1 if something is not current.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMap, parseDocument } from "yaml";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const chart = join(root, "charts/outsock");
const BEGIN = "<!-- values: made by npm run chart -->";
const END = "<!-- end of values -->";

/** The text after "-- " over a key, which may go on over several lines; null: none. */
function description(comment) {
  const lines = (comment ?? "").split("\n").map((line) => line.trim());
  const start = lines.findLastIndex((line) => line.startsWith("-- "));
  return start < 0 ? null : [lines[start].slice(3), ...lines.slice(start + 1)].join(" ").trim();
}

function* rows(map, prefix, comment) {
  for (const [i, { key, value }] of map.items.entries()) {
    const name = prefix + key.value;
    // The comment over a map's first key belongs to the map for the parser.
    const text = description(key.commentBefore ?? (i === 0 ? comment : undefined));
    if (text !== null) yield { name, text, value: value.toJSON() };
    else if (isMap(value)) yield* rows(value, `${name}.`, value.commentBefore);
    else throw new Error(`values.yaml: ${name} has no comment that starts with "# -- "`);
  }
}

function table() {
  const document = parseDocument(readFileSync(join(chart, "values.yaml"), "utf8"));
  if (!isMap(document.contents)) throw new Error("values.yaml is not a map");
  const cells = [...rows(document.contents, "", document.contents.commentBefore)].map((row) => [
    `\`${row.name}\``,
    row.text.replaceAll("|", "\\|"),
    `\`${JSON.stringify(row.value)}\``,
  ]);
  return [["value", "meaning", "default"], ["---", "---", "---"], ...cells]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}

function readme() {
  const text = readFileSync(join(chart, "README.md"), "utf8");
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`charts/outsock/README.md lacks "${BEGIN}"`);
  return `${before}${BEGIN}\n\n${table()}\n\n${END}${after}`;
}

const wanted = new Map([[join(chart, "README.md"), readme()]]);
const sources = join(root, "k8s/crds");
const copies = join(chart, "files/crds");
for (const file of readdirSync(sources))
  wanted.set(join(copies, file), readFileSync(join(sources, file), "utf8"));

function current(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

const stale = [...wanted].filter(([path, text]) => current(path) !== text).map(([path]) => path);
const left = readdirSync(copies)
  .map((file) => join(copies, file))
  .filter((path) => !wanted.has(path));
if (process.argv.includes("--check")) {
  for (const path of [...stale, ...left])
    process.stderr.write(`${path.slice(root.length + 1)} is not current: npm run chart\n`);
  process.exitCode = stale.length + left.length === 0 ? 0 : 1;
} else {
  for (const path of stale) writeFileSync(path, wanted.get(path));
  for (const path of left) rmSync(path);
}
