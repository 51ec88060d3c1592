/** What the command line chooses. */
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { BASELINE, MODES, type Mode, PATHS, type Path, WORKS, type Work } from "./works.ts";

export interface Plan {
  readonly works: readonly Work[];
  readonly paths: readonly Path[];
  /** Compared with the baseline; empty when the baseline alone is measured. */
  readonly modes: readonly Mode[];
  readonly rounds: number;
  /** Length of a sample. */
  readonly seconds: number;
  readonly json: string | undefined;
  /** Directory for CPU profiles. */
  readonly profile: string | undefined;
}

/** The command line is wrong, or asked for help: commander has said what was to be said. */
export class OptionsEnd extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("nothing to run");
    this.exitCode = exitCode;
  }
}

function listOf(what: string, known: readonly string[]): (text: string) => string[] {
  return (text) => {
    const names = text.split(",").map((name) => name.trim());
    for (const name of names) {
      if (!known.includes(name)) {
        throw new InvalidArgumentError(`No ${what} "${name}": there are ${known.join(", ")}.`);
      }
    }
    return names;
  };
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new InvalidArgumentError("It must be a whole number from 1 to 9999.");
  }
  return Number(text);
}

function duration(text: string): number {
  const seconds = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= 0.05 && seconds <= 60)) {
    throw new InvalidArgumentError("It must be a number of seconds from 0.05 to 60.");
  }
  return seconds;
}

interface Values {
  readonly only: string[];
  readonly path: string[];
  readonly mode: string[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly quick?: boolean;
  readonly json?: string;
  readonly profile?: string;
}

/** @throws OptionsEnd */
export function parseOptions(argv: readonly string[]): Plan {
  const works = WORKS.map(({ name }) => name);
  const command = new Command("bench")
    .description("measures Node.js programs natively and in guests, interleaved")
    .option("--only <works>", `of ${works.join(", ")}`, listOf("work", works), works)
    .option("--path <paths>", `of ${PATHS.join(", ")}`, listOf("path", PATHS), [...PATHS])
    .option("--mode <modes>", `of ${MODES.join(", ")}`, listOf("mode", MODES), [...MODES])
    .option("--rounds <n>", "repeats of every sample (7; --quick: 3)", wholeNumber)
    .option("--seconds <s>", "length of a sample (0.7; --quick: 0.3)", duration)
    .option("--quick", "fewer and shorter samples")
    .option("--json <file>", "write the rows there too")
    .option("--profile <directory>", "write CPU profiles there and name the hottest functions")
    .allowExcessArguments(false)
    .exitOverride();
  try {
    command.parse(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw new OptionsEnd(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
  const values = command.opts<Values>();
  return {
    works: WORKS.filter(({ name }) => values.only.includes(name)),
    paths: PATHS.filter((path) => values.path.includes(path)),
    modes: MODES.filter((mode) => mode !== BASELINE && values.mode.includes(mode)),
    rounds: values.rounds ?? (values.quick ? 3 : 7),
    seconds: values.seconds ?? (values.quick ? 0.3 : 0.7),
    json: values.json,
    profile: values.profile,
  };
}
