import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { startGenerator } from "../src/compare/generator.ts";
import { LocalLauncher, missingProgram } from "../src/compare/launcher.ts";
import { compareOptions } from "../src/compare/options.ts";
import { ProcessSet } from "../src/compare/processes.ts";
import { LineProgress } from "../src/compare/progress.ts";
import { type RepeatResult, runComparison } from "../src/compare/run.ts";

afterEach(() => vi.unstubAllEnvs());

it.skipIf(missingProgram() !== undefined)(
  "the tiers, booted natively, answer the load without an error",
  async () => {
    const scratch = mkdtempSync(join(tmpdir(), "outsock-native-"));
    vi.stubEnv("RUBIS_CACHE", join(scratch, "cache"));
    const processes = new ProcessSet(scratch);
    const options = compareOptions({
      modes: "native",
      repeats: "1",
      seconds: "0.5",
      clients: "4",
      scale: "0.1",
    });
    const results: RepeatResult[] = [];
    try {
      await runComparison(
        { ...options, warmUpSeconds: 0.2 },
        {
          launcher: new LocalLauncher(processes, scratch, options),
          startGenerator: () => startGenerator(processes, options),
        },
        new LineProgress(() => {}),
        new AbortController().signal,
        (result) => results.push(result),
      );
    } finally {
      await processes.close();
      rmSync(scratch, { recursive: true, force: true });
    }
    const [result] = results;
    expect(result?.load.errors, result?.load.errorSamples.join("\n")).toBe(0);
    expect(result?.load.interactions).toBeGreaterThan(50);
    expect(Object.keys(result?.cpuMs ?? {})).toEqual(["db", "app", "web"]);
    expect(result?.cpuMs.web).toBeGreaterThan(0);
  },
);
