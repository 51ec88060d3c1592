import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Eta } from "eta";

export type Render = (view: string, data?: object) => string;

const folder = new URL("../views/", import.meta.url);

/** What every template may use, as `it.f`. */
const formats = {
  /** 1234.5 is $1234.50. */
  money: (n: number) => `$${n.toFixed(2)}`,
  /** A part of an address. */
  part: (text: string | number) => encodeURIComponent(text),
  rating: (n: number) => (n > 0 ? `+${n}` : String(n)),
};

/** Compiles all templates once. Every `<%= %>` is escaped; no template uses the raw form. */
export function loadViews(): Render {
  const eta = new Eta({ autoEscape: true, cache: true });
  for (const file of readdirSync(fileURLToPath(folder))) {
    if (!file.endsWith(".eta")) continue;
    eta.loadTemplate(`@${file.slice(0, -4)}`, readFileSync(new URL(file, folder), "utf8"));
  }
  return (view, data = {}) => eta.render(`@${view}`, { f: formats, ...data });
}
