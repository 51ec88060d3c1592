import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

/** Draws a plot as SVG text, here and now: the page needs no script to show it. */
export async function drawSvg(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    // Scales with the page: the size in the viewBox is enough.
    return (await view.toSVG()).replace(
      / (?:width|height)="[\d.]+"/,
      (found) => ` data-${found.trim()}`,
    );
  } finally {
    view.finalize();
  }
}
