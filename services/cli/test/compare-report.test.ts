import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commandLine, compareOptions } from "../src/compare/options.ts";
import { thisMachine } from "../src/compare/report/machine.ts";
import { renderReport } from "../src/compare/report/render.ts";
import { type Comparison, writeResults } from "../src/compare/results.ts";
import { result } from "./compare-results.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "outsock-report-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function comparison(changes: Partial<Comparison> = {}): Comparison {
  const options = compareOptions({ out: directory });
  return {
    options,
    command: commandLine(options),
    machine: { ...thisMachine(), cpu: "Fast & <Furious>" },
    startedAt: "2026-01-02T03:04:05.678Z",
    results: [1, 2, 3].flatMap((repeat) => [
      result("native", repeat, 100 + repeat, 4),
      result("outsourced", repeat, 200 + repeat, 2),
    ]),
    ...changes,
  };
}

describe("report", () => {
  it("is one page that loads nothing and runs no script", async () => {
    const html = await renderReport(comparison());
    const outside = html.replaceAll(/xmlns(?::\w+)?="http:\/\/www\.w3\.org\/[^"]*"/g, "");
    expect(outside).not.toMatch(/https?:\/\//);
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(/i);
    expect(html.match(/<svg/g)).toHaveLength(7);
  });

  it("shows results, machine, command and seed, escaped", async () => {
    const html = await renderReport(comparison());
    expect(html).toContain("Fast &amp; &lt;Furious&gt;");
    expect(html).not.toContain("<Furious>");
    expect(html).toContain("outsock compare --modes native,outsourced --repeats 6");
    expect(html).toContain("the same for every repeat and mode");
    expect(html).toContain("ViewItem");
    expect(html).not.toMatch(/undefined|NaN|\[object/);
  });

  it("says which database was measured, in the title when it is the light one", async () => {
    const options = compareOptions({ out: directory, database: "light" });
    const light = await renderReport(comparison({ options }));
    expect(light).toContain("<h1>RUBiS with a light database, native and outsourced</h1>");
    expect(light).toContain("light: prepared statements over few rows");
    const standard = await renderReport(comparison());
    expect(standard).toContain("<h1>RUBiS, native and outsourced</h1>");
    expect(standard).toContain("standard: prepared statements.");
  });

  it("one mode, one repeat, interrupted: says so instead of inventing", async () => {
    const html = await renderReport(
      comparison({
        results: [result("native", 1, 50, 3, { cpuMs: {} })],
        incomplete: "Interrupted: 1 of 12 runs were measured.",
      }),
    );
    expect(html).toContain("Interrupted: 1 of 12 runs were measured.");
    expect(html).toContain("No ratios");
    expect(html).not.toMatch(/undefined|NaN|Infinity|\[object/);
  });

  it("is written beside the raw numbers, in a directory named after the start", async () => {
    const given = comparison();
    const written = await writeResults(given);
    expect(written.directory).toBe(join(directory, "2026-01-02T03-04-05"));
    const raw = JSON.parse(readFileSync(join(written.directory, "raw.json"), "utf8"));
    expect(raw).toEqual(JSON.parse(JSON.stringify(given)));
    expect(readFileSync(written.report, "utf8")).toMatch(/^<!doctype html>/);
  });
});
