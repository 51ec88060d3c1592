import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CompareOptions } from "./options.ts";
import type { Machine } from "./report/machine.ts";
import type { RepeatResult } from "./run.ts";

/** A comparison with all that a reader needs to judge it. Written as raw.json. */
export interface Comparison {
  readonly options: CompareOptions;
  readonly command: string;
  readonly machine: Machine;
  readonly startedAt: string;
  /** Why there are fewer results than asked for; absent when there are all. */
  readonly incomplete?: string;
  readonly results: readonly RepeatResult[];
}

export interface WrittenResults {
  readonly directory: string;
  readonly report: string;
}

/** Writes raw.json and report.html into a directory named after the start. */
export async function writeResults(comparison: Comparison): Promise<WrittenResults> {
  const name = comparison.startedAt.slice(0, 19).replaceAll(":", "-");
  const directory = resolve(comparison.options.out, name);
  mkdirSync(directory, { recursive: true });
  // The numbers first: they don't depend on the plots being drawn.
  writeFileSync(join(directory, "raw.json"), `${JSON.stringify(comparison, null, 2)}\n`);
  // Vega takes half a second to load; only a finished run needs it.
  const { renderReport } = await import("./report/render.ts");
  const report = join(directory, "report.html");
  writeFileSync(report, await renderReport(comparison));
  return { directory, report };
}
