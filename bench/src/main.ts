/** `npm run bench`. */
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { describeProfiles, drawProfiles } from "./hot-spots.ts";
import { measure, type Results } from "./measure.ts";
import { OptionsEnd, type Plan, parseOptions } from "./options.ts";
import { ProcessError } from "./processes.ts";
import { reportOf } from "./report.ts";
import { markdownOf, tableOf } from "./table.ts";

/** Exit codes of a process that a signal ended, as a shell tells them. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** A sentence for the user, and nothing to debug. */
class Refused extends Error {}

function prepare({ json, profile }: Plan): void {
  if (process.platform !== "linux") {
    throw new Refused(`guests need Linux; this is ${process.platform}`);
  }
  try {
    if (json !== undefined) accessSync(dirname(resolve(json)), constants.W_OK);
    if (profile !== undefined) mkdirSync(profile, { recursive: true });
  } catch (error) {
    throw new Refused(`cannot write there: ${(error as Error).message}`);
  }
}

/** One line on a terminal, written over; else a line each. */
function progressLine(): { show: (text: string) => void; clear: () => void } {
  const { isTTY } = process.stderr;
  return {
    show: (text) => process.stderr.write(isTTY ? `\r\x1b[K${text}` : `${text}\n`),
    clear: () => void (isTTY && process.stderr.write("\r\x1b[K")),
  };
}

async function run(plan: Plan): Promise<number> {
  prepare(plan);
  const interrupt = new AbortController();
  let exitCode = 0;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      exitCode ||= code;
      interrupt.abort();
    });
  }
  const progress = progressLine();
  const results: Results[] = [];
  try {
    await measure(plan, results, progress.show, interrupt.signal);
  } catch (error) {
    progress.clear();
    if (interrupt.signal.aborted) {
      process.stderr.write("bench: interrupted; measured so far:\n");
    } else if (error instanceof ProcessError) {
      process.stderr.write(`bench: ${error.message}\n`);
      exitCode = 1;
    } else {
      throw error;
    }
  }
  progress.clear();
  const report = reportOf(results, exitCode === 0);
  const text = plan.markdown ? markdownOf(report) : tableOf(report);
  process.stdout.write(report.rows.length === 0 ? "nothing measured\n" : `${text}\n`);
  if (plan.json !== undefined) writeFileSync(plan.json, `${JSON.stringify(report, null, 2)}\n`);
  if (plan.profile !== undefined) {
    process.stdout.write(`\n${describeProfiles(plan.profile)}`);
    const works = plan.works.map(({ name }) => name);
    for (const page of drawProfiles(plan.profile, works)) {
      process.stdout.write(`flame graphs: ${page}\n`);
    }
  }
  return exitCode;
}

try {
  process.exitCode = await run(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (error instanceof OptionsEnd) {
    process.exitCode = error.exitCode;
  } else if (error instanceof Refused) {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exitCode = 1;
  } else {
    throw error;
  }
}
