import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGenerator } from "./generator.ts";
import { LocalLauncher, missingProgram } from "./launcher.ts";
import { disturbance } from "./metrics.ts";
import { type CompareOptions, commandLine } from "./options.ts";
import { ProcessError, ProcessSet } from "./processes.ts";
import { profileTable, profileTiers, type TierProfile } from "./profile/index.ts";
import { progressFor } from "./progress.ts";
import { thisMachine } from "./report/machine.ts";
import { type Comparison, writeResults } from "./results.ts";
import { type Laboratory, type RepeatResult, runComparison } from "./run.ts";
import { ratioNote, resultTable } from "./table.ts";

const EXIT = { ok: 0, failed: 1, interrupted: 130 } as const;
/** After Ctrl-C nobody wants to wait for a clean end. */
const INTERRUPTED_GRACE_MS = 300;

class Interrupted extends Error {}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Runs the whole comparison on this machine; gives the exit code. */
export async function compare(options: CompareOptions): Promise<number> {
  const obstacle =
    process.platform !== "linux" && options.modes.includes("outsourced")
      ? `outsourced mode needs Linux (this is ${process.platform}).`
      : missingProgram();
  if (obstacle !== undefined) {
    say(`outsock compare: ${obstacle}`);
    return EXIT.failed;
  }

  const scratch = mkdtempSync(join(tmpdir(), "outsock-compare-"));
  const processes = new ProcessSet(scratch);
  const launcher = new LocalLauncher(processes, scratch, options, options.profile);
  const laboratory: Laboratory = {
    launcher,
    startGenerator: () => startGenerator(processes, options),
  };
  const startedAt = new Date().toISOString();
  const results: RepeatResult[] = [];
  const interrupt = new AbortController();
  const onSignal = (): void => {
    interrupt.abort(new Interrupted());
    void processes.close(INTERRUPTED_GRACE_MS);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);

  say(introduction(options));
  const progress = progressFor(process.stderr);
  let failure: unknown;
  let repeats = options.repeats;
  let profiles: TierProfile[] = [];
  try {
    if (options.profile !== undefined) {
      profiles = await profileTiers(options.profile, laboratory, progress, interrupt.signal);
    } else {
      repeats = await runComparison(options, laboratory, progress, interrupt.signal, (result) => {
        results.push(result);
      });
    }
  } catch (error) {
    failure = interrupt.signal.aborted ? interrupt.signal.reason : error;
  } finally {
    progress.close();
    await processes.close(failure === undefined ? undefined : INTERRUPTED_GRACE_MS);
    rmSync(scratch, { recursive: true, force: true });
  }
  process.off("SIGINT", onSignal);
  process.off("SIGTERM", onSignal);

  if (profiles.length > 0) {
    process.stdout.write(`\n${profileTable(profiles)}\n`);
    process.stdout.write(`Profiles: ${profiles.map(({ file }) => file).join(", ")}\n`);
    return EXIT.ok;
  }
  const incomplete = whyIncomplete(failure, results.length, repeats, options);
  if (incomplete !== undefined) say(`\noutsock compare: ${incomplete}`);
  if (failure instanceof ProcessError) {
    for (const line of failure.lastLines) say(`  ${failure.processName}: ${line}`);
  }
  if (results.length > 0) {
    await publish({
      options,
      command: commandLine(options),
      machine: thisMachine(),
      startedAt,
      ...(incomplete === undefined ? {} : { incomplete }),
      results,
    });
  }
  if (failure instanceof Interrupted) return EXIT.interrupted;
  return failure === undefined ? EXIT.ok : EXIT.failed;
}

function introduction({ modes, repeats, warmUpSeconds, seconds, ...rest }: CompareOptions): string {
  const load = `RUBiS, ${rest.mix} mix, ${rest.clients} clients, ${rest.database} database`;
  if (rest.profile !== undefined) return `${load}: profiles of ${seconds} s, native tiers`;
  const blocks = modes.length * repeats;
  const estimate = Math.ceil(blocks * (warmUpSeconds + seconds + 2));
  return (
    `${load}: ${modes.join(" and ")}, ` +
    `${repeats} ${repeats === 1 ? "repeat" : "repeats"} of ${seconds} s each, about ${estimate} s in all ` +
    "(Ctrl-C stops and shows what there is)"
  );
}

function whyIncomplete(
  failure: unknown,
  measured: number,
  repeats: number,
  options: CompareOptions,
): string | undefined {
  const { modes, budgetSeconds } = options;
  if (failure === undefined) {
    return repeats === options.repeats
      ? undefined
      : `${repeats} of ${options.repeats} repeats of each mode, to end within ${budgetSeconds} s.`;
  }
  const done = `${measured} of ${modes.length * options.repeats} runs were measured`;
  if (failure instanceof Interrupted) return `Interrupted: ${done}.`;
  const message = failure instanceof Error ? failure.message : "unknown reason";
  return `Failed: ${message}; ${done}.`;
}

async function publish(comparison: Comparison): Promise<void> {
  const { results } = comparison;
  const colours = process.stdout.isTTY && process.env.NO_COLOR === undefined;
  process.stdout.write(`\n${resultTable(results, colours)}\n`);
  const note = ratioNote(results);
  if (note !== "") process.stdout.write(`${note}\n`);
  for (const sentence of disturbance(results, comparison.machine.cores)) {
    process.stdout.write(`${sentence}\n`);
  }
  const { report } = await writeResults(comparison);
  process.stdout.write(`Report: ${report}\n`);
}
