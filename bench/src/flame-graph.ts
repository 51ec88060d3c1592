/** Flame graphs of CPU profiles, in one HTML file that needs no network. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { IDLE, type Profile, placeOf } from "./profile.ts";

const require = createRequire(import.meta.url);

/** What d3-flame-graph draws. */
export interface Frame {
  readonly name: string;
  /** Milliseconds in it and in what it called. */
  value: number;
  readonly children: Frame[];
}

/** The call tree of a profile, idle time left out; a function's calls from one place as one. */
export function flameOf(name: string, profile: Profile): Frame {
  const own = new Map<number, number>();
  for (const [i, id] of profile.samples.entries()) {
    own.set(id, (own.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1000);
  }
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const add = (parent: Frame, id: number): void => {
    const node = nodes.get(id);
    if (node === undefined) return;
    const place = placeOf(node.callFrame);
    if (place === "(idle)") return;
    let frame = parent.children.find((child) => child.name === place);
    if (frame === undefined) {
      frame = { name: place, value: 0, children: [] };
      parent.children.push(frame);
    }
    const before = frame.value;
    frame.value += own.get(id) ?? 0;
    for (const child of node.children ?? []) add(frame, child);
    parent.value += frame.value - before;
  };
  const root: Frame = { name, value: 0, children: [] };
  const top = profile.nodes.find(({ callFrame }) => IDLE.has(placeOf(callFrame)));
  for (const child of top?.children ?? []) add(root, child);
  return root;
}

/** The library's own build for browsers, which its exports do not name. */
function besides(entry: string, file: string): string {
  return readFileSync(join(dirname(entry), file), "utf8");
}

/** JSON as a script may hold it. */
function embedded(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

const PAGE = `
const graphs = JSON.parse(document.getElementById("data").textContent);
const choice = document.getElementById("choice");
for (const { name, value } of graphs) {
  choice.add(new Option(name + " (" + value.toFixed(0) + " ms busy)"));
}
function draw() {
  const width = document.body.clientWidth - 32;
  const chart = flamegraph.default().width(width).cellHeight(18).minFrameSize(1)
    .inverted(false).setDetailsElement(document.getElementById("details"));
  d3.select("#chart").html("").datum(structuredClone(graphs[choice.selectedIndex])).call(chart);
  const search = document.getElementById("search");
  search.oninput = () => (search.value === "" ? chart.clear() : chart.search(search.value));
}
choice.onchange = draw;
draw();
`;

/** One page with a flame graph for each profile, one of them shown. */
export function flamePage(title: string, graphs: readonly Frame[]): string {
  const d3 = besides(require.resolve("d3"), "../dist/d3.min.js");
  const flame = besides(require.resolve("d3-flame-graph"), "d3-flamegraph.umd.min.js");
  const style = besides(require.resolve("d3-flame-graph"), "d3-flamegraph.css");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<style>body { font-family: system-ui, sans-serif; margin: 16px } ${style}</style></head><body>
<h1>${title}</h1>
<p>Width is time in a function and what it called, over the whole profile; idle time is left out.
Click to zoom. <label>Profile: <select id="choice"></select></label>
<label>Find: <input id="search"></label></p>
<div id="chart"></div><p id="details"></p>
<script type="application/json" id="data">${embedded(graphs)}</script>
<script>${d3}</script><script>${flame}</script><script>${PAGE}</script>
</body></html>
`;
}
