import { isMix, MIXES, type Mix } from "@outsock/loadtest";
import { isMode, MODES, type Mode } from "./modes.ts";

/**
 * How much the database has to do, and so which share of an interaction is network. Statements are
 * prepared in both.
 * - standard: the data set at `--scale`, 1,000 items for sale by default
 * - light: 100 items for sale, and the database gives a result of up to a second ago again: the
 *   network-bound case
 */
const DATABASES = ["standard", "light"] as const;
export type Database = (typeof DATABASES)[number];

const SCALES: Readonly<Record<Database, number>> = { standard: 1, light: 0.1 };

export interface CompareOptions {
  readonly quick: boolean;
  readonly modes: readonly Mode[];
  readonly repeats: number;
  readonly clients: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly mix: Mix;
  readonly database: Database;
  readonly scale: number;
  readonly seed: number;
  /** Factor on think time. */
  readonly think: number;
  /** Leaves out the last repeats rather than take longer; absent when the user set the length. */
  readonly budgetSeconds?: number;
  /** Directory under which the results are written. */
  readonly out: string;
  /** Directory for CPU profiles of the native tiers; with it, nothing is compared. */
  readonly profile?: string;
}

/** An option that cannot be used; the message is one sentence for the user. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/** Options as commander gives them: text, or absent. */
export interface CompareArguments {
  readonly quick?: boolean;
  readonly modes?: string;
  readonly repeats?: string;
  readonly clients?: string;
  readonly seconds?: string;
  readonly mix?: string;
  readonly database?: string;
  readonly scale?: string;
  readonly seed?: string;
  readonly think?: string;
  readonly out?: string;
  readonly profile?: string;
}

interface Bounds {
  readonly low: number;
  readonly high: number;
  readonly whole?: boolean;
}

function numeric(name: string, text: string | undefined, fallback: number, bounds: Bounds): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  const { low, high, whole = false } = bounds;
  const usable = text.trim() !== "" && value >= low && value <= high;
  if (!usable || (whole && !Number.isInteger(value))) {
    const kind = whole ? "a whole number" : "a number";
    throw new OptionError(`--${name} must be ${kind} from ${low} to ${high}, not "${text}".`);
  }
  return value;
}

function modesOf(text: string | undefined): readonly Mode[] {
  if (text === undefined) return MODES;
  const names = text.split(",").map((name) => name.trim());
  const given = names.map((name) => {
    if (!isMode(name)) {
      throw new OptionError(`--modes knows ${MODES.join(" and ")}, not "${name}".`);
    }
    return name;
  });
  if (new Set(given).size < given.length) {
    throw new OptionError(`--modes names a mode twice: "${text}".`);
  }
  return MODES.filter((mode) => given.includes(mode));
}

function mixOf(text: string | undefined): Mix {
  const mix = text ?? "bidding";
  if (!isMix(mix)) throw new OptionError(`--mix must be ${MIXES.join(" or ")}, not "${mix}".`);
  return mix;
}

function databaseOf({ database: name = "standard", scale }: CompareArguments): Database {
  const database = DATABASES.find((known) => known === name);
  if (database === undefined) {
    throw new OptionError(`--database must be ${DATABASES.join(" or ")}, not "${name}".`);
  }
  if (database === "light" && scale !== undefined) {
    throw new OptionError(
      `--database light has a scale of its own (${SCALES.light}): leave out --scale.`,
    );
  }
  return database;
}

/** What is profiled is the tiers natively: profiles of guests are the bench's matter. */
function profileOf({ profile, modes }: CompareArguments): string | undefined {
  if (profile === undefined) return undefined;
  if (profile.trim() === "") throw new OptionError("--profile must name a directory.");
  if (modes !== undefined && modes !== "native") {
    throw new OptionError(`--profile takes native tiers alone, not "${modes}": leave out --modes.`);
  }
  return profile;
}

/** Checks the options and fills in what was not given. */
export function compareOptions(given: CompareArguments): CompareOptions {
  const quick = given.quick ?? false;
  const seconds = numeric("seconds", given.seconds, quick ? 2.5 : 15, { low: 0.5, high: 3600 });
  const ownLength = given.repeats !== undefined || given.seconds !== undefined;
  if (given.out?.trim() === "") throw new OptionError("--out must name a directory.");
  const database = databaseOf(given);
  const profile = profileOf(given);
  return {
    quick,
    modes: profile === undefined ? modesOf(given.modes) : ["native"],
    repeats: numeric("repeats", given.repeats, quick ? 4 : 6, { low: 1, high: 100, whole: true }),
    clients: numeric("clients", given.clients, 32, { low: 1, high: 10_000, whole: true }),
    seconds,
    // The first seconds run unoptimised code in every process; they are not measured.
    warmUpSeconds: quick ? 2 : Math.min(5, Math.max(2, seconds / 2)),
    mix: mixOf(given.mix),
    database,
    scale: numeric("scale", given.scale, SCALES[database], { low: 0.01, high: 1000 }),
    seed: numeric("seed", given.seed, 1, { low: 0, high: 4_294_967_295, whole: true }),
    think: numeric("think", given.think, 0, { low: 0, high: 100 }),
    ...(ownLength ? {} : { budgetSeconds: quick ? 60 : 300 }),
    out: given.out ?? "results",
    ...(profile === undefined ? {} : { profile }),
  };
}

/** The same options as a command line: what makes the same numbers again. */
export function commandLine(options: CompareOptions): string {
  return [
    "outsock compare",
    ...(options.quick ? ["--quick"] : []),
    `--modes ${options.modes.join(",")}`,
    `--repeats ${options.repeats}`,
    `--clients ${options.clients}`,
    `--seconds ${options.seconds}`,
    `--mix ${options.mix}`,
    // A light database has its own.
    ...(options.database === "light" ? ["--database light"] : [`--scale ${options.scale}`]),
    `--seed ${options.seed}`,
    `--think ${options.think}`,
  ].join(" ");
}
