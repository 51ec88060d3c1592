import { parseArgs } from "node:util";
import { phases } from "./core/think.ts";
import { isMix, loadCatalogue, loadTable, MIXES } from "./data.ts";
import { runLoad } from "./driver.ts";
import { formatSummary } from "./table.ts";

const USAGE = `Usage: node loadtest/dist/main.js --url http://127.0.0.1:8080 [options]
  --clients N      emulated clients (240)
  --seconds S      length of the run (900)
  --up S, --down S lengths of the ramps (120, 60)
  --think F        factor on think time, 0 for none (1)
  --mix NAME       ${MIXES.join(" or ")} (bidding)
  --scale N        scale of the data set, for the number of users (1)
  --seed N         (1)
  --interactions N stop after N interactions in all
  --json           print the summary as JSON`;

class UsageError extends Error {}

function numeric(text: string | undefined, name: string, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (text?.trim() === "" || !(value >= 0)) {
    throw new UsageError(`--${name} must be a number of at least 0, not "${text}"`);
  }
  return value;
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      url: text,
      clients: text,
      seconds: text,
      up: text,
      down: text,
      think: text,
      mix: text,
      scale: text,
      seed: text,
      interactions: text,
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const mix = values.mix ?? "bidding";
  if (values.url === undefined || !URL.canParse(values.url)) {
    throw new UsageError("--url must be the address of the web tier");
  }
  if (!isMix(mix)) throw new UsageError(`--mix must be one of ${MIXES.join(", ")}, not "${mix}"`);
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  process.once("SIGTERM", () => interrupted.abort());
  const { summary, aborted } = await runLoad({
    url: new URL(values.url).origin,
    table: loadTable(mix),
    catalogue: loadCatalogue(numeric(values.scale, "scale", 1)),
    clients: numeric(values.clients, "clients", 240),
    seed: numeric(values.seed, "seed", 1),
    slowdown: numeric(values.think, "think", 1),
    phases: phases(
      numeric(values.up, "up", 120),
      numeric(values.seconds, "seconds", 900),
      numeric(values.down, "down", 60),
    ),
    interactions: numeric(values.interactions, "interactions", Number.POSITIVE_INFINITY),
    signal: interrupted.signal,
    onProgress: (p) =>
      process.stderr.write(
        `${p.phase.padEnd(4)} ${p.elapsedSeconds.toFixed(0)} s  ${p.rate.toFixed(0)}/s  ${p.errors} errors\n`,
      ),
  });
  console.log(values.json ? JSON.stringify(summary, null, 2) : formatSummary(summary));
  if (aborted) process.exitCode = 130;
}

try {
  await main();
} catch (error) {
  const wrongUse =
    error instanceof UsageError ||
    (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_"));
  console.error(wrongUse ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = wrongUse ? 2 : 1;
}
