import { Command } from "commander";
import { MODES } from "./modes.ts";
import { type CompareArguments, compareOptions, OptionError } from "./options.ts";

/** Exit code for options that cannot be used. */
const USAGE = 2;

/** `outsock compare`: the same tiers in every mode, measured against each other. */
export function compareCommand(): Command {
  const command = new Command("compare");
  return command
    .description("measure the RUBiS tiers in every mode and write a report")
    .option("--quick", "short repeats: done within a minute")
    .option("--modes <list>", `modes to measure, separated by commas (${MODES.join(",")})`)
    .option("--repeats <n>", "repeats of each mode (6; quick: 4)")
    .option("--clients <n>", "emulated clients (32)")
    .option("--seconds <s>", "length of the measured run of a repeat (15; quick: 2.5)")
    .option("--mix <name>", "bidding or browsing (bidding)")
    .option("--database <name>", "standard, or light: little work for each query (standard)")
    .option("--scale <n>", "thousands of items for sale (1)")
    .option("--seed <n>", "seed of the clients (1)")
    .option("--think <factor>", "factor on the think time of 7 s; 0 for none (0)")
    .option("--out <dir>", "where to write results (results)")
    .option("--profile <dir>", "profile the native tiers instead; writes .cpuprofile files there")
    .action(async (given: CompareArguments) => {
      try {
        const options = compareOptions(given);
        // Only this command pays for loading what it needs.
        const { compare } = await import("./compare.ts");
        process.exitCode = await compare(options);
      } catch (error) {
        if (!(error instanceof OptionError)) throw error;
        command.error(`outsock compare: ${error.message}`, { exitCode: USAGE });
      }
    });
}
