import type { LoadResult } from "@outsock/loadtest";
import { describe, expect, it } from "vitest";
import type { Deployment } from "../src/compare/launcher.ts";
import { type CompareArguments, compareOptions } from "../src/compare/options.ts";
import { LineProgress } from "../src/compare/progress.ts";
import { type Laboratory, type RepeatResult, runComparison } from "../src/compare/run.ts";
import { result } from "./compare-results.ts";

/** A laboratory in which nothing takes time: what happens is written down. */
function fakeLaboratory(changes: { pages?: number; onDrive?: (drives: number) => void } = {}) {
  const events: string[] = [];
  let cpu = 0;
  let drives = 0;
  let failTier: ((error: Error) => void) | undefined;
  const laboratory: Laboratory = {
    launcher: {
      boot: async (mode): Promise<Deployment> => {
        events.push(`boot ${mode}`);
        const died = new Promise<never>((_, reject) => {
          failTier = reject;
        });
        died.catch(() => {});
        return {
          url: "http://127.0.0.1:1",
          pids: new Map([["web", 10]]),
          bootMs: 100,
          died,
          stop: async () => void events.push(`stop ${mode}`),
        };
      },
    },
    startGenerator: () => ({
      pid: 20,
      drive: async (_url, { onPhase, onProgress }): Promise<LoadResult> => {
        drives += 1;
        onPhase?.("up");
        onProgress?.({
          phase: "up",
          elapsedSeconds: 1,
          totalSeconds: 4,
          clients: 32,
          interactions: 5,
          errors: 0,
          rate: 5,
        });
        cpu += 1000;
        onPhase?.("run");
        cpu += 50;
        onPhase?.("end");
        cpu += 1000;
        changes.onDrive?.(drives);
        await Promise.resolve();
        const { load } = result("native", 1, changes.pages ?? 100, 2);
        return { summary: load, aborted: false };
      },
      stop: async () => void events.push("stop generator"),
    }),
    cpuMs: () => cpu,
    machineTime: () => ({ busyMs: cpu, totalMs: cpu * 2 }),
  };
  return { laboratory, events, die: (error: Error) => failTier?.(error) };
}

async function run(
  laboratory: Laboratory,
  given: CompareArguments,
  signal = new AbortController().signal,
) {
  const lines: string[] = [];
  const results: RepeatResult[] = [];
  const progress = new LineProgress((line) => lines.push(line));
  const done = runComparison(compareOptions(given), laboratory, progress, signal, (one) =>
    results.push(one),
  );
  return { outcome: await done.catch((error: unknown) => error), lines, results };
}

describe("comparison", () => {
  it("modes take turns; one is stopped before the next boots", async () => {
    const { laboratory, events } = fakeLaboratory();
    const { outcome, results } = await run(laboratory, { repeats: "2" });
    const block = (mode: string) => [`boot ${mode}`, "stop generator", `stop ${mode}`];
    expect(outcome).toBe(2);
    expect(events).toEqual(
      ["native", "outsourced", "outsourced", "native"].flatMap((mode) => block(mode)),
    );
    expect(results.map(({ repeat }) => repeat)).toEqual([1, 1, 2, 2]);
  });

  it("processor time is that of the run alone", async () => {
    const { laboratory } = fakeLaboratory();
    const { results } = await run(laboratory, { repeats: "1", modes: "native" });
    expect(results[0]).toMatchObject({ cpuMs: { web: 50 }, generatorCpuMs: 50, machineBusy: 0.5 });
  });

  it("says phase, clients and throughput", async () => {
    const { laboratory } = fakeLaboratory();
    const { lines } = await run(laboratory, { repeats: "1", modes: "native" });
    expect(lines).toEqual([
      "[1/1] native repeat 1: booting db, app, web",
      "[1/1] native repeat 1: warm-up, 32 clients, 5 interactions/s, 0 errors",
      "[1/1] native     repeat 1: 10 interactions/s, p50 2.0 ms, p99 2.0 ms, 0 errors, boot 0.1 s",
    ]);
  });

  it("an interruption keeps what was measured and stops the rest", async () => {
    const interrupt = new AbortController();
    const { laboratory, events } = fakeLaboratory({
      onDrive: (drives) => {
        if (drives === 2) interrupt.abort(new Error("interrupted"));
      },
    });
    const { outcome, results } = await run(laboratory, { repeats: "3" }, interrupt.signal);
    expect(outcome).toEqual(new Error("interrupted"));
    expect(results).toHaveLength(1);
    expect(events.at(-1)).toBe("stop outsourced");
  });

  it("a tier that dies ends the comparison", async () => {
    const fake = fakeLaboratory({
      onDrive: () => fake.die(new Error("app ended with exit code 3")),
    });
    const { outcome, results } = await run(fake.laboratory, { repeats: "1", modes: "native" });
    expect(outcome).toEqual(new Error("app ended with exit code 3"));
    expect(results).toEqual([]);
    expect(fake.events.at(-1)).toBe("stop native");
  });

  it("a run without an answer isn't a result", async () => {
    const { laboratory } = fakeLaboratory({ pages: 0 });
    const { outcome } = await run(laboratory, { repeats: "1", modes: "native" });
    expect(String(outcome)).toMatch(/no page was answered/);
  });

  it("leaves out repeats rather than exceed its time, but not below three", async () => {
    let clock = 0;
    const { laboratory } = fakeLaboratory({
      onDrive: () => {
        clock += 9_000;
      },
    });
    // A repeat of two modes takes 18 s: the fourth would end at 72 s of 60.
    const { outcome, results } = await run({ ...laboratory, now: () => clock }, { quick: true });
    expect(outcome).toBe(3);
    expect(results).toHaveLength(6);
  });
});
