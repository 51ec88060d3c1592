/** What the command line chooses. */
import { Command, CommanderError, InvalidArgumentError } from "commander";
import {
  allWorks,
  DEFAULT_LADDER,
  type Ladder,
  MODES,
  type Mode,
  PATHS,
  type Path,
  parseConnections,
  parseSize,
  sizeName,
  WORK_NAMES,
  type Work,
  worksNamed,
} from "./works.ts";

export interface Plan {
  readonly works: readonly Work[];
  readonly paths: readonly Path[];
  /** Beside the baseline, which is always measured. */
  readonly modes: readonly Mode[];
  readonly rounds: number;
  /** Length of a sample. */
  readonly seconds: number;
  /** Worker threads of an agent; its default when undefined. */
  readonly workers: number | undefined;
  readonly json: string | undefined;
  /** Tables to be published rather than looked at. */
  readonly markdown: boolean;
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

/** Names only; what they stand for depends on other options. */
function workNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (worksNamed(name, DEFAULT_LADDER).length > 0) continue;
    throw new InvalidArgumentError(`No work "${name}": there are ${WORK_NAMES.join(", ")}.`);
  }
  return names;
}

function numbersOf(
  parse: (text: string) => number | undefined,
  sentence: string,
): (text: string) => number[] {
  return (text) => {
    const numbers = text.split(",").map((one) => {
      const number = parse(one);
      if (number === undefined) throw new InvalidArgumentError(`"${one.trim()}": ${sentence}`);
      return number;
    });
    return [...new Set(numbers)].sort((a, b) => a - b);
  };
}

const sizes = numbersOf(parseSize, "sizes are bytes from 1 to 16m, such as 64, 16k or 1m.");
const connections = numbersOf(parseConnections, "connections are a whole number from 1 to 10000.");

function wholeNumber(high: number): (text: string) => number {
  return (text) => {
    const value = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= high)) {
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${high}.`);
    }
    return value;
  };
}

function duration(text: string): number {
  const seconds = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= 0.05 && seconds <= 60)) {
    throw new InvalidArgumentError("It must be a number of seconds from 0.05 to 60.");
  }
  return seconds;
}

interface Values {
  readonly only?: string[];
  readonly path: string[];
  readonly mode: string[];
  readonly sizes?: number[];
  readonly connections?: number[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly quick?: boolean;
  readonly workers?: number;
  readonly json?: string;
  readonly markdown?: boolean;
  readonly profile?: string;
}

/** In the order in which all works are measured, none twice. */
function chosenWorks(only: readonly string[] | undefined, ladder: Ladder): readonly Work[] {
  const all = allWorks(ladder);
  if (only === undefined) return all;
  const order = all.map(({ name }) => name);
  const place = ({ name }: Work): number =>
    order.includes(name) ? order.indexOf(name) : order.length;
  const chosen = only.flatMap((name) => worksNamed(name, ladder));
  const unique = [...new Map(chosen.map((work) => [work.name, work])).values()];
  return unique.sort((a, b) => place(a) - place(b));
}

/** @throws OptionsEnd */
export function parseOptions(argv: readonly string[]): Plan {
  const { sizes: defaultSizes, connections: defaultConnections } = DEFAULT_LADDER;
  const command = new Command("bench")
    .description("measures Node.js programs natively and in guests, interleaved")
    .option("--only <works>", `of ${WORK_NAMES.join(", ")}; default: all`, workNames)
    .option("--path <paths>", `of ${PATHS.join(", ")}`, listOf("path", PATHS), [...PATHS])
    .option("--mode <modes>", `of ${MODES.join(", ")}`, listOf("mode", MODES), [...MODES])
    .option(
      "--sizes <bytes>",
      `writes of "messages" (${defaultSizes.map(sizeName).join(",")})`,
      sizes,
    )
    .option(
      "--connections <n>",
      `connections of "http" (${defaultConnections.join(",")})`,
      connections,
    )
    .option("--rounds <n>", "samples of every setup (7; --quick: 3)", wholeNumber(9999))
    .option("--seconds <s>", "length of a sample (0.7; --quick: 0.3)", duration)
    .option("--quick", "fewer and shorter samples")
    .option("--workers <n>", "worker threads of each agent", wholeNumber(256))
    .option("--json <file>", "write rows, goals and raw samples there too")
    .option("--markdown", "print the tables in Markdown")
    .option("--profile <directory>", "write CPU profiles and flame graphs there")
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
    works: chosenWorks(values.only, {
      sizes: values.sizes ?? defaultSizes,
      connections: values.connections ?? defaultConnections,
    }),
    paths: PATHS.filter((path) => values.path.includes(path)),
    modes: MODES.filter((mode) => values.mode.includes(mode)),
    rounds: values.rounds ?? (values.quick ? 3 : 7),
    seconds: values.seconds ?? (values.quick ? 0.3 : 0.7),
    workers: values.workers,
    json: values.json,
    markdown: values.markdown === true,
    profile: values.profile,
  };
}
